/** A message as Postscript's own page shows one, with the id and the subscriber that are given. */
export function messageBody(id: string, subscriber: string): string {
  return JSON.stringify({
    webhook_id: '89066f0a-eb36-4ed8-b98c-606e6dcac715',
    resource_type: 'shop',
    resource_id: 'shop_1234567abcd',
    event_time: '2026-11-04T21:52:41.025455',
    event: 'shop.incoming_message',
    event_data: {
      id: `im_${id}`,
      subscriber_id: subscriber,
      shop_id: 'shop_1234567abcd',
      is_opt_out: false,
      shopify_customer_id: null,
      from_number: '+15555555555',
      created_at: '2026-11-04T21:52:41.025455',
      body: 'Hello, world',
    },
  })
}
