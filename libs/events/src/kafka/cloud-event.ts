import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { isId, SLOT_COUNT, slotOfId, timeOfId } from '@rookery/kernel';
import { natural, slotOf } from '@rookery/sharding';
import type { IHeaders, Message } from 'kafkajs';
import type { StoredEvent } from '../definition/stored-event.js';
import { foreignId } from './foreign-id.js';

/** A message as it lies in a partition. */
export interface Record {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: IHeaders;
  /** Milliseconds since 1970. */
  readonly timestamp: string;
  readonly offset: string;
}

/** Where a record was found. */
export interface Place {
  /** Without the site's prefix. */
  readonly topic: string;
  readonly partition: number;
}

export interface Decoded {
  readonly event: StoredEvent;
  /** Why it is no event that anybody could handle; undefined where it is one. */
  readonly fault: string | undefined;
}

const JSON_TYPE = 'application/json';
const STRUCTURED = /^application\/cloudevents(\+json)?\s*(;|$)/i;
const TYPE = /^[\x21-\x7e]{1,255}$/;
const VERSION = /^[1-9]\d{0,4}$/;
const MAX_VERSION = 32_767;
const SLOT = /^\d{1,4}$/;
const MAX_KEY_BYTES = 512;
const MAX_HEADERS = 32;
const MAX_HEADER = 1_024;
const DAY_MS = 24 * 3_600_000;
/** Attributes that are told by the fields of an event. */
const KNOWN = new Set([
  'specversion',
  'id',
  'source',
  'type',
  'time',
  'subject',
  'datacontenttype',
  'dataschema',
  'dataversion',
  'rookeryslot',
  'partitionkey',
]);
/** Names of headers as this site writes them, and of the attributes they stand for: to look one up makes no text anew. */
const ATTRIBUTES = new Map([...KNOWN].map((name) => [`ce_${name}`, name]));

/** An event as a message: a CloudEvent 1.0 in binary mode, its data as it lies in the log. */
export function encode(event: StoredEvent, source: string): Message {
  const headers: { [name: string]: string } = {
    'content-type': JSON_TYPE,
    ce_specversion: '1.0',
    ce_id: event.id,
    ce_source: source,
    ce_type: event.type,
    ce_time: new Date(event.publishedAt).toISOString(),
    ce_partitionkey: event.key,
    ce_dataversion: String(event.version),
    ce_rookeryslot: String(event.slot),
  };
  const along = event.headers === null ? {} : (JSON.parse(event.headers) as { [name: string]: string });
  for (const [name, value] of Object.entries(along)) {
    // Tracers look for it by its own name.
    headers[name === 'traceparent' ? name : `ce_${name}`] = value;
  }
  return { key: event.key, value: event.payload, headers };
}

/** Bytes a message takes in a request, near enough to bound one. */
export function sizeOf({ key, value, headers = {} }: Message): number {
  let bytes = 64 + Buffer.byteLength(key ?? '') + Buffer.byteLength(value ?? '');
  for (const [name, header] of Object.entries(headers)) bytes += name.length + 4 + String(header).length;
  return bytes;
}

/** The event in a record, whoever wrote it. What cannot be read becomes an event that carries the bytes and the fault. */
export function decode(record: Record, place: Place): Decoded {
  const headers = headersOf(record.headers);
  const { contentType, traceparent } = headers;
  const structured = contentType !== JSON_TYPE && STRUCTURED.test(contentType);
  const attributes = structured ? structuredOf(record.value) : binaryOf(headers, record.value);
  if (typeof attributes === 'string') return undecodable(record, place, attributes);
  const { named, payload } = attributes;
  const fault = faultOf(named);
  if (fault !== undefined) return undecodable(record, place, fault);

  const [id, source, type] = [named.get('id')!, named.get('source')!, named.get('type')!];
  const at = timeOf(record);
  const key = keyOf(record.key, () => named.get('partitionkey') || named.get('subject') || `${source} ${id}`);
  const publishedAt = near(Date.parse(named.get('time') ?? ''), at);
  const ours = isOurs(id, named.get('rookeryslot'));
  const slot = ours ? slotOfId(id) : slotOfKey(key);
  const kept = ours || (isId(id) && near(timeOfId(id), at) !== at);
  return {
    fault: undefined,
    event: {
      id: kept ? id : foreignId(source, id, publishedAt, slot),
      type,
      version: Number(named.get('dataversion') ?? 1),
      topic: place.topic,
      key,
      slot,
      payload: payload.toString('utf8'),
      ...(isUtf8(payload) ? {} : { raw: payload }),
      headers: alongOf(named, traceparent, ours ? [] : ['id', 'source', 'subject']),
      publishedAt,
      position: positionOf(place.partition, record.offset),
    },
  };
}

/** The partition an event was read from, where it came by Kafka. */
export function partitionIn({ position }: StoredEvent): number | undefined {
  const [partition, offset] = position.split(':');
  return offset === undefined ? undefined : Number(partition);
}

/** Of a message in a format before Kafka 0.10 there is none. */
function timeOf({ timestamp }: Record): number {
  return Math.max(0, Number(timestamp));
}

function positionOf(partition: number, offset: string): string {
  return `${partition}:${offset}`;
}

type Attributes = ReadonlyMap<string, string>;

/** A record's headers: attributes of a CloudEvent in binary mode by their own names, and what is asked for of the rest. */
interface Headers {
  readonly named: Attributes;
  readonly contentType: string;
  readonly traceparent: string | undefined;
}

function headersOf(given: IHeaders = {}): Headers {
  const named = new Map<string, string>();
  let contentType = '';
  let traceparent: string | undefined;
  for (const header of Object.keys(given)) {
    const text = textOf(given[header]);
    if (text === undefined) continue;
    const known = ATTRIBUTES.get(header);
    if (known !== undefined) {
      named.set(known, text);
      continue;
    }
    const name = header.toLowerCase();
    if (name.startsWith('ce_')) named.set(name.slice(3), text);
    else if (name === 'content-type') contentType = text;
    else if (name === 'traceparent') traceparent = text;
  }
  return { named, contentType, traceparent };
}

function binaryOf({ named }: Headers, value: Buffer | null): { named: Attributes; payload: Buffer } | string {
  if (named.size === 0) return 'it has no attributes of a CloudEvent';
  return { named, payload: value ?? Buffer.from('null') };
}

function structuredOf(value: Buffer | null): { named: Attributes; payload: Buffer } | string {
  if (value === null || !isUtf8(value)) return 'it is no JSON';
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.toString('utf8'));
  } catch (error) {
    return `it is no JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return 'it is no JSON object';
  const { data, data_base64: base64, ...rest } = parsed as { [name: string]: unknown };
  const named = new Map<string, string>();
  for (const [name, attribute] of Object.entries(rest)) {
    if (typeof attribute === 'string') named.set(name, attribute);
    else if (typeof attribute === 'number' || typeof attribute === 'boolean')
      named.set(name, String(attribute));
  }
  const payload =
    typeof base64 === 'string' ? Buffer.from(base64, 'base64') : Buffer.from(JSON.stringify(data ?? null));
  return { named, payload };
}

function faultOf(named: Attributes): string | undefined {
  if (!named.get('specversion')?.startsWith('1.')) return 'it is no CloudEvent of version 1';
  for (const name of ['id', 'source']) if (!named.get(name)) return `it has no ${name}`;
  if (!TYPE.test(named.get('type') ?? '')) return 'it has no type';
  const version = named.get('dataversion');
  if (version !== undefined && !(VERSION.test(version) && Number(version) <= MAX_VERSION)) {
    return 'its dataversion is no version';
  }
  return undefined;
}

function isOurs(id: string, slot: string | undefined): boolean {
  return (
    slot !== undefined &&
    SLOT.test(slot) &&
    Number(slot) < SLOT_COUNT &&
    isId(id) &&
    slotOfId(id) === Number(slot)
  );
}

/** A time that its producer gave, unless it is so far from the broker's that an inbox would forget it too early or never. */
function near(given: number, at: number): number {
  return Math.abs(given - at) <= DAY_MS ? given : at;
}

/** What orders it: the message's own key; else what stands for one. */
function keyOf(key: Buffer | null, other: () => string): string {
  const given = key !== null && key.length > 0 ? key : Buffer.from(other());
  if (given.length <= MAX_KEY_BYTES && !given.includes(0) && isUtf8(given)) return given.toString('utf8');
  return `sha256:${createHash('sha256').update(given).digest('hex')}`;
}

/** Where this site's own events of the key most likely are: what is parked of a key has to be in one place. */
function slotOfKey(key: string): number {
  return isId(key) ? slotOfId(key) : slotOf(natural(key));
}

/** What travels along, as `StoredEvent.headers` keeps it. */
function alongOf(named: Attributes, traceparent: string | undefined, more: readonly string[]): string | null {
  const along: { [name: string]: string } = traceparent === undefined ? {} : { traceparent };
  let count = traceparent === undefined ? 0 : 1;
  for (const [name, value] of named) {
    if (count >= MAX_HEADERS) break;
    if (KNOWN.has(name) && !more.includes(name)) continue;
    along[name] = value.slice(0, MAX_HEADER);
    count += 1;
  }
  return count === 0 ? null : JSON.stringify(along);
}

/** Of a header that is there more than once, the last. */
function textOf(given: IHeaders[string]): string | undefined {
  const value = Array.isArray(given) ? given.at(-1) : given;
  return value?.toString();
}

function textsOf(headers: IHeaders = {}): Attributes {
  const texts = new Map<string, string>();
  for (const [name, given] of Object.entries(headers)) {
    const text = textOf(given);
    if (text !== undefined) texts.set(name.toLowerCase(), text);
  }
  return texts;
}

function undecodable(record: Record, { topic, partition }: Place, fault: string): Decoded {
  const headers = textsOf(record.headers);
  const position = positionOf(partition, record.offset);
  const at = timeOf(record);
  const key = keyOf(record.key, () => `${topic} ${position}`);
  const slot = slotOfKey(key);
  const given = headers.get('ce_type') ?? '';
  const shown = new Map([...headers].map(([name, value]) => [name, value.slice(0, MAX_HEADER)]));
  return {
    fault,
    event: {
      id: foreignId(topic, position, at, slot),
      type: TYPE.test(given) ? given : 'undecodable',
      version: 1,
      topic,
      key,
      slot,
      payload: '',
      raw: record.value ?? Buffer.alloc(0),
      headers: shown.size === 0 ? null : JSON.stringify(Object.fromEntries([...shown].slice(0, MAX_HEADERS))),
      publishedAt: at,
      position,
    },
  };
}
