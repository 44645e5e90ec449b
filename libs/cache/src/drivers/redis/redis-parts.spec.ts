import { MessageChannel } from 'node:worker_threads';
import { TextRecord } from '../../text-record.js';
import type { StoredRecord } from '../driver.js';
import { Acknowledgements } from './acknowledgements.js';
import { Deadlines, within } from './deadline.js';
import { PendingInvalidations } from './pending.js';
import {
  numbersAfter,
  partsIn,
  partsOfRecord,
  versionsIn,
  written,
  type WrittenRecord,
} from './record-text.js';
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
  const lives = { freshMs: 10, keptMs: 30, loadMs: 2 };
  const meta = { etag: '"e"', tags: ['t', '","numbers":[],"value":'], ...lives };
  const [hard, soft] = ['h'.repeat(16), 's'];
  const textOf = (record: StoredRecord) => JSON.stringify(written(record, hard, soft, 1_764_514_800_000.7));

  it('keeps every byte of a body, and what goes with it', () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const whole = { ...meta, contentType: 'text/plain', statusCode: 203, headers: { vary: 'accept' } };
    const text = textOf({ meta: whole, body });
    for (const parts of [partsIn(text)!, partsOfRecord(JSON.parse(text) as WrittenRecord)]) {
      expect(parts).toMatchObject({ staleMs: 20, at: 1_764_514_800_000, meta: whole });
      expect(parts.given(7, 'soft')).toMatchObject({ meta: whole, body, ageMs: 7, invalidated: 'soft' });
    }
  });

  it('keeps whole milliseconds, rather fewer of its life and rather more of its load', () => {
    const text = textOf(new TextRecord({ ...meta, freshMs: 10.5, keptMs: 30.7, loadMs: 1.2 }, '1'));
    expect(partsIn(text)!.meta).toMatchObject({ freshMs: 10, keptMs: 30, loadMs: 2 });
  });

  it('says that there is nothing', () => {
    const text = textOf({ meta: { ...meta, negative: 'null' }, body: Buffer.alloc(0) });
    expect(partsIn(text)!.meta.negative).toBe('null');
    expect(partsIn(textOf(new TextRecord(meta, 'null')))!.meta.negative).toBeUndefined();
  });

  it('is of the versions that it was made under, and of no others', () => {
    const [first, second] = ['1'.repeat(16), '2'.repeat(16)];
    const made = (hard: string, soft: string) =>
      JSON.stringify(written(new TextRecord(meta, '1'), hard, soft));
    const text = made(`${first},${second}`, ',soft');
    const at = numbersAfter(text, [first, `${second}soft`])!;
    expect(text.slice(at)).toMatch(/^20,30,2,0,/);
    expect(versionsIn(text, 2, at)).toBe(`${first},${second};,soft`);
    const others = [
      [],
      [first],
      [first, second],
      [`${first}soft`, second],
      [first, `${second}sof`],
      [first, `${second}soft,`],
      [`${second}soft`, first],
      [first, `${second}soft`, ''],
      [first, `${second}soft`, first],
    ];
    for (const versions of others) expect(numbersAfter(text, versions)).toBeUndefined();
    expect(numbersAfter(made(first, ''), [first])).toBeDefined();
    expect(numbersAfter('', [first])).toBeUndefined();
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
    expect(partsIn('{"hard":"h","soft":"s","meta":{},"body":""}')).toBeUndefined();
    expect(partsIn('{"hard":"h","soft":"s","numbers":[1,2],"meta":{},"body":""}')).toBeUndefined();
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

/** Each waits for an answer in its own way. */
const waits = {
  'one by one': within,
  'many by one timer': <T>(limitMs: number, answer: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => new Deadlines().wait(answer, limitMs, resolve, reject)),
};

describe.each(Object.entries(waits))('a limited wait, %s', (_, wait) => {
  it('is so long', async () => {
    const never = new Promise(() => undefined);
    await expect(wait(5, never)).rejects.toMatchObject({ code: 'RK_CACHE_REDIS_AWAY' });
    expect(await wait(10_000, Promise.resolve(1))).toBe(1);
    await expect(wait(10_000, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('takes an answer that came while the process was busy', async () => {
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise((resolve) => port2.once('message', resolve));
    const waiting = wait(5, answer);
    port1.postMessage('there');
    const until = performance.now() + 30;
    while (performance.now() < until);
    expect(await waiting).toBe('there');
    port1.close();
  });
});

describe('deadlines', () => {
  const settled = (deadlines: Deadlines, answer: Promise<unknown>, limitMs: number) =>
    new Promise((resolve) => deadlines.wait(answer, limitMs, resolve, resolve));

  it('are each their own: one that is over is told at once, whatever is waited for beside it', async () => {
    const deadlines = new Deadlines();
    const told: string[] = [];
    const never = new Promise<never>(() => undefined);
    const tell = (name: string, limitMs: number) =>
      settled(deadlines, never, limitMs).then(() => told.push(name));
    void tell('in an hour', 3_600_000);
    await Promise.all([tell('third', 30), tell('first', 1), tell('second', 15)]);
    expect(told.sort()).toEqual(['first', 'second', 'third']);
    void tell('in another hour', 3_600_000);
    await tell('later', 1);
    expect(told).toEqual(['first', 'second', 'third', 'later']);
  });

  it('give what comes behind one that nobody answers, and each once', async () => {
    const deadlines = new Deadlines();
    let answerLate: (answer: string) => void = () => undefined;
    const late = new Promise<string>((resolve) => (answerLate = resolve));
    const told: unknown[] = [];
    const tell = (it: unknown) => void told.push(it);
    const refused = new Promise<void>((resolve) =>
      deadlines.wait(late, 20, tell, (error) => {
        tell(error);
        resolve();
      }),
    );
    expect(await settled(deadlines, Promise.resolve('at once'), 3_600_000)).toBe('at once');
    await refused;
    answerLate('too late');
    expect(await settled(deadlines, Promise.resolve('after it'), 3_600_000)).toBe('after it');
    expect(told).toEqual([expect.objectContaining({ code: 'RK_CACHE_REDIS_AWAY' })]);
  });
});
