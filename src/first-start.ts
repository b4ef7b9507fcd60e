import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { sha256 } from './ledger/event.ts'

/** The shop of Postscript's own example, and that example's delivery. */
const SHOP_ID = 'shop_1234567abcd'
const SUBSCRIBER_ID = 's_1234567abcd'
const EXAMPLE = {
  webhook_id: '89066f0a-eb36-4ed8-b98c-606e6dcac715',
  resource_type: 'shop',
  resource_id: SHOP_ID,
  event_time: '2021-11-04T21:52:41.025455',
  event: 'shop.incoming_message',
  event_data: {
    id: 'im_1b2a005a386281c9',
    subscriber_id: SUBSCRIBER_ID,
    shop_id: SHOP_ID,
    is_opt_out: false,
    shopify_customer_id: null,
    from_number: '+15555555555',
    created_at: '2021-11-04T21:52:41.025455',
    body: 'Hello, world',
  },
}

/** Made once and shown once: the config file holds the token, and of the key only its digest. */
export interface FirstSecrets {
  readonly signingToken: string
  readonly apiKey: string
}

/** Writes a config for a first start, readable by its owner alone; never over a file that is there. */
export function writeFirstConfig(path: string): FirstSecrets {
  const secrets = {
    signingToken: randomBytes(24).toString('hex'),
    apiKey: `lk_${randomBytes(24).toString('hex')}`,
  }
  const config = {
    shops: [
      { id: SHOP_ID, signingTokens: [secrets.signingToken], timeZone: 'America/New_York', region: 'US' },
    ],
    apiKeys: [
      {
        name: 'first key',
        sha256: sha256(secrets.apiKey),
        scopes: ['read', 'operate'],
        shops: ['*'],
      },
    ],
  }
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: 'wx', flush: true })
  return secrets
}

/** What a person is shown at the first start: the secrets, and two commands to paste. */
export function firstStartText(
  address: string,
  configPath: string,
  { signingToken, apiKey }: FirstSecrets,
): string {
  return `
This is the first start: ${configPath} was written. These two are shown only now.

  signing token  ${signingToken}
  API key        ${apiKey}

Post the example of Postscript's own page, as Postscript would:

curl -sS ${address}/webhooks/postscript \\
  -H 'Postscript-Signature: ${signingToken}' \\
  -H 'Content-Type: application/json' \\
  -d '${JSON.stringify(EXAMPLE)}'

Read it back:

curl -sS ${address}/v1/shops/${SHOP_ID}/subscribers/${SUBSCRIBER_ID}/events \\
  -H 'Authorization: Bearer ${apiKey}'

The calls that there are: ${address}/docs
`
}
