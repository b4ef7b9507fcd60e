import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { StoryShop } from './cast.ts'

/** What traffic needs of the ledger's config file, and not a field more. */
const TOKEN = z.string().regex(/^[!-~]+$/, 'is no text that a header can carry')
const CONFIG = z.object({
  shops: z
    .array(z.object({ id: z.string().min(1), signingTokens: z.array(TOKEN).min(1) }))
    .min(1, 'names no shop'),
})

/** The message is one line that names the file and what is wrong with it, and quotes nothing of what is in it. */
export class ConfigMistake extends Error {}

/** Where the ledger keeps its config, by its own environment. */
export function configPath(environment: Readonly<Record<string, string | undefined>>): string {
  return environment['LEDGER_CONFIG'] || join(environment['LEDGER_DATA'] || './data', 'config.json')
}

/** The shops of a ledger's config file, in its order, each with the first of its tokens. */
export async function shopsIn(path: string): Promise<StoryShop[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    const missing = 'there is no such file (has the ledger been started once?)'
    throw new ConfigMistake(`config ${path}: ${code === 'ENOENT' ? missing : `cannot be read (${code})`}`)
  })
  const config = CONFIG.safeParse(parsed(path, text))
  if (config.success) {
    return config.data.shops.flatMap(({ id, signingTokens: [signingToken] }) =>
      signingToken === undefined ? [] : [{ id, signingToken }],
    )
  }
  const [issue] = config.error.issues
  const where = issue?.path.join('.') || 'the file'
  throw new ConfigMistake(`config ${path}: ${where}: ${issue?.message ?? 'is not what it should be'}`)
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message quotes the text around the mistake: there could be a token in it.
    throw new ConfigMistake(`config ${path}: is not JSON`)
  }
}
