import { UsageFault } from '../usage-fault.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** An event's id as it was typed. What came from elsewhere may have any UUID. @throws UsageFault */
export function eventId(typed: string): string {
  if (!UUID.test(typed)) throw new UsageFault(`${typed} is no event's id`);
  return typed.toLowerCase();
}
