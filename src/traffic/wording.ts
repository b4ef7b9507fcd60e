/** What people text. Those of one kind are alike in what they mean, not in how they are put. */

type Texts = readonly [string, ...string[]]

export const KEYWORDS: Texts = ['JOIN', 'Join', 'DEALS', 'VIP', 'SUMMER20', 'texts', 'START']

export const CONFIRMATIONS: Texts = ['Y', 'y', 'YES', 'Yes', 'yes please', 'Yes!', 'YES 🙌', 'Yep', 'ok yes']

/** What Postscript takes for an opt-out by itself. */
export const OPT_OUT_KEYWORDS: Texts = [
  'STOP',
  'STOP',
  'STOP',
  'Stop',
  'stop',
  'Stop.',
  ' STOP ',
  'STOPALL',
  'UNSUBSCRIBE',
  'Unsubscribe',
  'CANCEL',
  'QUIT',
  'END',
  'STOP STOP STOP',
]

/** Revocations in a person's own words, which Postscript delivers with `is_opt_out: false`. */
export const REVOCATIONS: Texts = [
  'please stop texting me',
  'Please stop',
  'can you stop sending these??',
  'take me off your list, I want to unsubscribe',
  'I revoke my consent to receive messages.',
  'how do i opt out of this',
  'Opt me out please',
  'STOP!!! 😡',
  'I already said STOP',
  'cancel these texts thx',
  'quit texting this number',
  'wrong number, please stop',
  'Not interested. Cancel my subscription to these texts',
]

export const CHAT: Texts = [
  'Hello, world',
  'Hi! Do you ship to Canada?',
  'where is my order #48213',
  'Love these 😍😍',
  'Thanks!',
  'thank you so much 🙏',
  'is the blue one back in stock?',
  'What size should I get if I’m between M and L?',
  'ok',
  'lol',
  '👍',
  '❤️',
  'My code isn\'t working, it says "expired"',
  'Can I still return the jacket I bought on the 3rd?\nIt’s too small',
  'I need to change my address: 12 Example St, Apt 4',
  'Do you have this in vegan leather',
  '¿Hacen envíos a México?',
  'C’est possible de payer en 3 fois ?',
  'ありがとうございます',
  'who is this',
  'what are your hours today',
  'Got it, thx!!',
  'When does the sale start?',
  'Just placed an order, is it too late to add another pair?',
  'Hey, the link you sent is broken: https://shop.example/sale?utm_source=sms&c=a%20b',
  '2',
  '',
  'That would be great, could you check with the warehouse and let me know? I’d need it by Friday because we are leaving for the weekend and my sister asked for the same one in green, size 38, if there is any left.',
]

/** Innocent, and yet they read like a revocation: somebody has to look. */
export const FALSE_ALARMS: Texts = [
  'I can’t stop wearing these boots!!',
  'can I cancel my last order?',
  'will you stop by the pop-up this weekend?',
  'how do I cancel the return label',
]

export const LATER_THOUGHTS: Texts = [
  'hi, can you sign me up again?',
  'Are you still doing 10% off?',
  'hello?',
]

export const UNKNOWN_EVENTS: Texts = [
  'shop.subscriber.updated',
  'shop.link_clicked',
  'shop.message.delivered',
  'shop.keyword.triggered',
]
