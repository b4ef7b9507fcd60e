/**
 * A seeded source of chance (sfc32): the same seed gives the same numbers on every machine.
 * Fast and well mixed; good for stories, never for secrets.
 */
export class Chance {
  #a: number
  #b: number
  #c: number
  #d = 1

  constructor(seed: string) {
    this.#a = fingerprint(seed, 0x9e3779b9)
    this.#b = fingerprint(seed, 0x243f6a88)
    this.#c = fingerprint(seed, 0xb7e15162)
    // The first numbers of close seeds resemble each other.
    for (let round = 0; round < 16; round++) this.word()
  }

  /** 32 random bits, unsigned. */
  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** From 0 up to, not including, 1. */
  share(): number {
    return this.word() / 4294967296
  }

  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number {
    return Math.floor(this.share() * limit)
  }

  /** True in `share` of all cases. */
  happens(share: number): boolean {
    return this.share() < share
  }

  /** A waiting time with the given mean, as between independent arrivals: mostly short, now and then long. */
  wait(mean: number): number {
    return -Math.log(1 - this.share()) * mean
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0]
  }
}

/** 32 bits that stand for a text. */
export function fingerprint(text: string, salt = 0): number {
  let hash = (0x811c9dc5 ^ salt) | 0
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return scramble(hash, salt)
}

/** Mixes 32 bits one to one: for one salt, different numbers always stay different. */
export function scramble(number: number, salt: number): number {
  let bits = (number ^ salt) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** Eight hex digits. */
export function hex(word: number): string {
  return word.toString(16).padStart(8, '0')
}
