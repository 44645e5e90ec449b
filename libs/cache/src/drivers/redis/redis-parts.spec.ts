import { MessageChannel } from 'node:worker_threads';
import { TextRecord } from '../../text-record.js';
import type { StoredRecord } from '../driver.js';
import { Acknowledgements } from './acknowledgements.js';
import { within } from './deadline.js';
import { PendingInvalidations } from './pending.js';
import { beginningOf, partsIn, partsOfRecord, written, type WrittenRecord } from './record-text.js';
import { RedisClock } from './redis-clock.js';
import { Step } from './step.js';

describe('the step of a replica', () => {
  it('lasts from a beat that is heard, counted from when it was sent', () => {
    const step = new Step(400, () => undefined);
    const beat = step.nextBeat(1_000);
    expect(step.isIn(1_000)).toBe(false);
    expect(step.hear(beat, 'born', 1_300)).toBe(300);
    expect(step.isIn(1_399)).toBe(true);
    expect(step.isIn(1_400)).toBe(false);
  });

  it('is not given by a beat from before it was lost, nor twice by one', () => {
    const step = new Step(400, () => undefined);
    const [before, after] = [step.nextBeat(0), step.nextBeat(10)];
    expect(step.hear(after, 'born', 20)).toBe(10);
    expect(step.hear(before, 'born', 30)).toBeUndefined();
    const late = step.nextBeat(40);
    step.lose({ missed: true });
    expect(step.hear(late, 'born', 50)).toBeUndefined();
    expect(step.isIn(50)).toBe(false);
  });

  it('forgets what was kept when something may have been missed, and only then', () => {
    let forgotten = 0;
    const step = new Step(400, () => (forgotten += 1));
    const beats = (born: string) => step.hear(step.nextBeat(0), born, 1);
    beats('first');
    beats('first');
    expect(forgotten).toBe(1);
    step.lose({ missed: false });
    beats('first');
    expect(forgotten).toBe(1);
    step.lose({ missed: true });
    beats('first');
    expect(forgotten).toBe(2);
    beats('another');
    expect(forgotten).toBe(3);
  });
});

describe('acknowledgements', () => {
  it('count from the moment of the announcement', async () => {
    const all = new Acknowledgements();
    const number = all.begin();
    all.give(number, 'early');
    const given = all.whenGiven(number, ['early', 'late'], 10_000);
    all.give(number, 'unknown');
    all.give(number, 'late');
    expect(await given).toEqual([]);
  });

  it('name who was silent', async () => {
    const all = new Acknowledgements();
    const number = all.begin();
    const given = all.whenGiven(number, ['a', 'b'], 5);
    all.give(number, 'a');
    expect(await given).toEqual(['b']);
    all.give(number, 'b');
  });
});

describe('pending invalidations', () => {
  it('are hard if they were so once, and stay if they were added again meanwhile', () => {
    const pending = new PendingInvalidations();
    pending.add(['a', 'b'], 'soft');
    pending.add(['a'], 'hard');
    pending.add(['a'], 'soft');
    const some = pending.next();
    expect(some).toEqual([{ tag: 'a', mode: 'hard' }]);
    pending.add(['a'], 'soft');
    pending.recorded(some);
    expect(pending.size).toBe(2);
    pending.recorded(pending.next());
    pending.recorded(pending.next());
    expect(pending.size).toBe(0);
  });

  it('become everything when they are too many', () => {
    const pending = new PendingInvalidations();
    for (let i = 0; i < 10_001; i += 1) pending.add([`tag ${i}`], 'soft');
    pending.add(['more'], 'soft');
    expect(pending.next()).toEqual([{ tag: '*', mode: 'hard' }]);
  });
});

describe('the text of a record', () => {
  const meta = { etag: '"e"', freshMs: 10.5, keptMs: 30.5, loadMs: 1, tags: ['t', '"staleMs":,"value":'] };
  const textOf = (record: StoredRecord) => JSON.stringify(written(record, 'h', 's', 1_764_514_800_000.7));

  it('keeps every byte of a body', () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const text = textOf({ meta, body });
    expect(text.startsWith(`${beginningOf('h', 's')}20,`)).toBe(true);
    const parts = partsIn(text)!;
    expect(parts).toMatchObject({ staleMs: 20, at: 1_764_514_800_000, meta });
    expect(parts.given(7, 'soft')).toEqual({ meta, body, ageMs: 7, invalidated: 'soft' });
    expect(partsOfRecord(JSON.parse(text) as WrittenRecord).given(7, 'no').body).toEqual(body);
  });

  it.each([
    ['an object', '{"b":1,"a":"\\"ü\\u0000 \\ud800","value":[null,-1.5e-7]}'],
    ['a text', '"meta,\\"body\\":"'],
    ['null', 'null'],
    ['what JSON gives back in another order', '{"2":0,"1":0}'],
    ['what JSON gives back otherwise', '{ "a": 1.0 }'],
  ])('gives JSON back to the letter: %s', (_, json) => {
    const text = textOf(new TextRecord(meta, json));
    const written = JSON.parse(text) as WrittenRecord;
    for (const parts of [partsIn(text)!, partsOfRecord(written)]) {
      expect(parts.given(0, 'no').body.toString()).toBe(json);
      const given = parts.given(0, 'no');
      expect(given.text ?? given.body.toString()).toBe(json);
    }
  });

  it('is unpacked no further than it is asked for', () => {
    const given = partsIn(textOf(new TextRecord(meta, '{"a":1}')))!.given(0, 'no');
    expect(given.text).toBe('{"a":1}');
    expect(given.body).toBe(given.body);
    expect(given.text).toBeUndefined();
  });

  it('is nothing in another form', () => {
    expect(partsIn('{"hard":"h","soft":"s","staleMs":20,"meta":{},"body":""}')).toBeUndefined();
    expect(partsIn('')).toBeUndefined();
  });
});

describe('the clock of Redis', () => {
  it('has bounds that a beat gives, the narrowest of a while', () => {
    const clock = new RedisClock();
    expect([clock.atLeast(0), clock.atMost(0)]).toEqual([undefined, undefined]);
    clock.hear('born', 5_000, 100, 140);
    expect([clock.atLeast(150), clock.atMost(150)]).toEqual([5_010, 5_050]);
    clock.hear('born', 5_100, 200, 210);
    expect([clock.atLeast(210), clock.atMost(210)]).toEqual([5_100, 5_110]);
    clock.hear('born', 9_000, 300, 390);
    expect([clock.atLeast(210), clock.atMost(210)]).toEqual([5_100, 5_110]);
    clock.hear('born', 9_000, 10_200, 10_290);
    expect([clock.atLeast(10_290), clock.atMost(10_290)]).toEqual([9_000, 9_090]);
  });

  it('is that of the Redis which is there now', () => {
    const clock = new RedisClock();
    clock.hear('born', 5_000, 100, 101);
    clock.hear('another', 1_000, 200, 290);
    expect([clock.atLeast(290), clock.atMost(290)]).toEqual([1_000, 1_090]);
  });
});

it('waits for an answer so long', async () => {
  const never = new Promise(() => undefined);
  await expect(within(5, never)).rejects.toMatchObject({ code: 'RK_CACHE_REDIS_AWAY' });
  expect(await within(10_000, Promise.resolve(1))).toBe(1);
});

it('takes an answer that came while the process was busy', async () => {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => port2.once('message', resolve));
  const waiting = within(5, answer);
  port1.postMessage('there');
  const until = performance.now() + 30;
  while (performance.now() < until);
  expect(await waiting).toBe('there');
  port1.close();
});
