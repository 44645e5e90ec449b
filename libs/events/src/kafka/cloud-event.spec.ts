import { isId, newId, slotOfId, timeOfId } from '@rookery/kernel';
import { natural, slotOf } from '@rookery/sharding';
import type { IHeaders } from 'kafkajs';
import type { StoredEvent } from '../definition/stored-event.js';
import { decode, encode, partitionIn, sizeOf, type Record } from './cloud-event.js';

const AT = Date.parse('2026-11-25T12:00:00.000Z');
const PLACE = { topic: 'test.thing', partition: 7 };

const ours: StoredEvent = {
  id: newId(1234, AT),
  type: 'test.thing.made',
  version: 3,
  topic: 'test.thing',
  key: 'schlüssel',
  slot: 1234,
  payload: '{"name":"Žižkov"}',
  headers: JSON.stringify({
    traceparent: '00-aa-bb-00',
    requestid: 'r',
    deadline: '2026-11-25T12:00:09.000Z',
  }),
  publishedAt: AT,
  position: '4711',
};

function record(value: unknown, headers: IHeaders = {}, more: Partial<Record> = {}): Record {
  const bytes = Buffer.isBuffer(value) || value === null ? value : Buffer.from(value as string);
  return { key: Buffer.from('k'), value: bytes, headers, timestamp: String(AT), offset: '42', ...more };
}

const foreign = (more: IHeaders = {}): IHeaders => ({
  ce_specversion: '1.0',
  ce_id: 'A234',
  ce_source: '/elsewhere',
  ce_type: 'com.example.sold',
  'content-type': 'application/json',
  ...more,
});

describe('an event of this site', () => {
  it('is the same when it comes back, but for where it was found', () => {
    const { key, value, headers } = encode(ours, '/site');
    const back = decode(record(value, headers, { key: Buffer.from(key as string) }), PLACE);
    expect(back).toEqual({ fault: undefined, event: { ...ours, position: '7:42' } });
    expect(partitionIn(back.event)).toBe(7);
    expect(partitionIn(ours)).toBeUndefined();
  });

  it('is a CloudEvent 1.0 in binary mode', () => {
    expect(encode(ours, '/site').headers).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: ours.id,
      ce_source: '/site',
      ce_type: 'test.thing.made',
      ce_time: '2026-11-25T12:00:00.000Z',
      ce_partitionkey: 'schlüssel',
      ce_dataversion: '3',
      ce_rookeryslot: '1234',
      traceparent: '00-aa-bb-00',
      ce_requestid: 'r',
      ce_deadline: '2026-11-25T12:00:09.000Z',
    });
  });

  it('is told at no less than its size', () => {
    const { key, value, headers = {} } = encode(ours, '/site');
    const least = [key, value, ...Object.entries(headers).flat()].reduce<number>(
      (sum, text) => sum + Buffer.byteLength(text as string),
      0,
    );
    expect(sizeOf({ key, value, headers })).toBeGreaterThanOrEqual(least);
  });
});

describe('an event of others', () => {
  it('gets an id that is always the same for its source and id, in the slot of its key', () => {
    const [one, again, other] = [
      decode(record('{}', foreign()), PLACE),
      decode(record('{}', foreign(), { offset: '43' }), PLACE),
      decode(record('{}', foreign({ ce_source: '/other' })), PLACE),
    ].map(({ event }) => event);
    expect(isId(one!.id)).toBe(true);
    expect(again!.id).toBe(one!.id);
    expect(other!.id).not.toBe(one!.id);
    expect([timeOfId(one!.id), slotOfId(one!.id), one!.slot]).toEqual([
      AT,
      slotOf(natural('k')),
      slotOf(natural('k')),
    ]);
    expect(one).toMatchObject({ type: 'com.example.sold', version: 1, key: 'k', publishedAt: AT });
    expect(JSON.parse(one!.headers!)).toEqual({ id: 'A234', source: '/elsewhere' });
  });

  it('may come in structured mode, with data of bytes too', () => {
    const structured = (more: object) =>
      decode(
        record(
          JSON.stringify({ specversion: '1.0', id: '1', source: '/s', type: 't.x', colour: 'red', ...more }),
          {
            'content-type': 'application/cloudevents+json; charset=UTF-8',
          },
        ),
        PLACE,
      );
    expect(structured({ data: { a: 1 } })).toMatchObject({
      fault: undefined,
      event: { payload: '{"a":1}', headers: '{"id":"1","source":"/s","colour":"red"}' },
    });
    expect(structured({ data_base64: Buffer.from([0xff, 0]).toString('base64') }).event.raw).toEqual(
      Buffer.from([0xff, 0]),
    );
  });

  it('takes its time from its producer, unless an inbox would forget it too early or never', () => {
    const at = (time: string) => decode(record('{}', foreign({ ce_time: time })), PLACE).event;
    expect(at('2026-11-25T11:00:00Z').publishedAt).toBe(AT - 3_600_000);
    for (const time of ['2020-01-01T00:00:00Z', '9999-12-31T00:00:00Z', 'yesterday']) {
      expect([at(time).publishedAt, timeOfId(at(time).id)]).toEqual([AT, AT]);
    }
  });

  it('keeps an id that would do here, and no slot that it cannot have', () => {
    const id = newId(99, AT - 5);
    const slot = slotOf(natural('k'));
    expect(decode(record('{}', foreign({ ce_id: id })), PLACE).event).toMatchObject({ id, slot });
    for (const ce_rookeryslot of ['98', '4096', '-1', 'x']) {
      const claimed = decode(record('{}', foreign({ ce_id: id, ce_rookeryslot })), PLACE).event;
      expect(claimed.slot).toBe(slot);
    }
  });

  it('is in the slot of its key where that is an id of this site', () => {
    const key = Buffer.from(newId(321));
    expect(decode(record('{}', foreign(), { key }), PLACE).event.slot).toBe(321);
    expect(decode(record('{}', {}, { key }), PLACE).event.slot).toBe(321);
  });

  it('is ordered by what it has where its message has no key that can be kept', () => {
    const keyOf = (key: Buffer | null, more: IHeaders = {}) =>
      decode(record('{}', foreign(more), { key }), PLACE).event.key;
    expect(keyOf(null, { ce_partitionkey: 'p', ce_subject: 's' })).toBe('p');
    expect(keyOf(null, { ce_subject: 's' })).toBe('s');
    expect(keyOf(null)).toBe('/elsewhere A234');
    for (const bytes of [Buffer.from([0xff]), Buffer.from('a\0b'), Buffer.alloc(513, 'a')]) {
      expect(keyOf(bytes)).toMatch(/^sha256:[0-9a-f]{64}$/);
    }
  });
});

describe('a message that is no event', () => {
  it.each<[string, Record]>([
    ['it has no attributes of a CloudEvent', record('{}')],
    ['it has no attributes of a CloudEvent', record(null)],
    ['it is no CloudEvent of version 1', record('{}', foreign({ ce_specversion: '0.3' }))],
    ['it has no id', record('{}', foreign({ ce_id: '' }))],
    ['it has no source', record('{}', foreign({ ce_source: undefined }))],
    ['it has no type', record('{}', foreign({ ce_type: 'a b' }))],
    ['its dataversion is no version', record('{}', foreign({ ce_dataversion: '40000' }))],
    ['it is no JSON', record(Buffer.from([0xff]), { 'content-type': 'application/cloudevents+json' })],
    ['it is no JSON object', record('[]', { 'content-type': 'application/cloudevents+json' })],
  ])('is kept with its bytes, and why: %s', (fault, given) => {
    const { event, fault: told } = decode(given, PLACE);
    expect(told).toBe(fault);
    expect(event.raw).toEqual(given.value ?? Buffer.alloc(0));
    expect(isId(event.id)).toBe(true);
    expect(decode(given, PLACE).event.id).toBe(event.id);
  });
});
