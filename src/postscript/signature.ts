import { hash, timingSafeEqual } from 'node:crypto'

/** Who a verified delivery is from. */
export interface Signer {
  /** First 12 hex digits of the SHA-256 of the token: enough to tell tokens apart, not to sign with. */
  readonly signedWith: string
  /** The shops that the token signs for, in the configuration's order. */
  readonly shopIds: readonly [string, ...string[]]
}

interface Token extends Signer {
  readonly digest: Buffer
}

/**
 * The signing tokens that are good now. Postscript's signature is the token itself: it shows who may post, and binds
 * neither body nor time.
 */
export class SigningTokens {
  readonly #tokens: readonly Token[]

  constructor(shops: readonly { readonly id: string; readonly signingTokens: readonly string[] }[]) {
    const shopIds = new Map<string, [string, ...string[]]>()
    for (const { id, signingTokens } of shops)
      for (const token of new Set(signingTokens)) {
        const known = shopIds.get(token)
        if (known === undefined) shopIds.set(token, [id])
        else known.push(id)
      }
    this.#tokens = Array.from(shopIds, ([token, ids]) => {
      const digest = sha256(token)
      return { digest, signedWith: digest.toString('hex').slice(0, 12), shopIds: ids }
    })
  }

  /**
   * Who `signature`, the header as it came, is of; null where it is missing or no good. Takes as long whichever token it
   * is like, and however much of it: digests are compared, all of them.
   */
  verify(signature: string | readonly string[] | undefined): Signer | null {
    const digest = sha256(typeof signature === 'string' ? signature : '')
    let signer: Signer | null = null
    for (const token of this.#tokens) if (timingSafeEqual(token.digest, digest)) signer = token
    return signer
  }
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}
