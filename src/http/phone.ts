import type { CountryCode } from 'libphonenumber-js'
import { Refusal } from './problems.ts'

export interface PhoneNumber {
  readonly e164: string
  /** All the ways in which the number may have been told: with its `+`, without, and as it is dialled in the region. */
  readonly spellings: readonly string[]
}

/** Reads a phone number in any common spelling; without a country code it is of `region`. Rejects with a `Refusal`. */
export async function readPhone(text: string, region: CountryCode): Promise<PhoneNumber> {
  // Loaded by the first who asks: the library is a tenth of what a start would load.
  const { parsePhoneNumberFromString } = await import('libphonenumber-js')
  // A plus that was not escaped comes as a space; then there is no other way that a number begins with one.
  const phone = parsePhoneNumberFromString(text.startsWith(' ') ? `+${text.trim()}` : text, region)
  if (phone === undefined || !phone.isPossible())
    throw new Refusal(
      'bad-parameter',
      `phone: must be a phone number, with a country code or as written in ${region}`,
    )
  const { number: e164, nationalNumber } = phone
  const local =
    parsePhoneNumberFromString(nationalNumber, region)?.number === e164 ? [String(nationalNumber)] : []
  return { e164, spellings: [e164, e164.slice(1), ...local] }
}
