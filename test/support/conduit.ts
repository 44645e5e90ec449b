import { randomInt } from 'node:crypto';
import { LATE_HEADER } from '@rookery/events';
import { Actor, Member, type Seen } from './actor.js';
import { isPatient, startConduit, type RunningSite, type SiteOptions } from './site.js';
import { Wire } from './wire.js';

/** Booting compiles the application the first time; the databases come from a template after that. */
const BOOT_LIMIT_MS = 120_000;
/** Registrations at once: a small machine hashes one password at a time, and turns away what has waited for long. */
const AT_ONCE = 10;

/**
 * A site for the spec file that calls this, with the people who use it. Names are unique to the run, so the suites may be
 * pointed at a site that is in use; only exact totals of the whole site need it to themselves.
 */
export function useConduit(options: SiteOptions = {}): Conduit {
  const conduit = new Conduit(options);
  beforeAll(() => conduit.open(), BOOT_LIMIT_MS);
  afterAll(() => conduit.close(), BOOT_LIMIT_MS);
  return conduit;
}

export class Conduit {
  private readonly run = randomInt(36 ** 5)
    .toString(36)
    .padStart(5, '0');
  private count = 0;
  private running: RunningSite | undefined;
  private readonly wires: Wire[] = [];
  private readonly closers: (() => Promise<void>)[] = [];
  private readonly lastClosers: (() => Promise<void>)[] = [];
  private readonly pairs = new Set<string>();

  constructor(private readonly options: SiteOptions) {}

  async open(): Promise<void> {
    this.running = await startConduit(this.options);
  }

  /** Runs before the site stops; hooks of the spec file run after it. */
  beforeClose(close: () => Promise<void>): void {
    this.closers.push(close);
  }

  /** Runs when the site has stopped. */
  afterClose(close: () => Promise<void>): void {
    this.lastClosers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.closers) await close();
    for (const wire of this.wires) wire.close();
    await this.running?.close();
    for (const close of this.lastClosers) await close();
  }

  get site(): RunningSite {
    if (this.running === undefined) throw new Error('the site runs only within tests and hooks');
    return this.running;
  }

  /** Path under which the operations are. */
  get prefix(): string {
    return new URL(this.site.baseUrl).pathname.replace(/\/$/, '');
  }

  /** Connections of their own, to one replica after the other: what one client knows, another has to read from the site. */
  wire(connections?: number): Wire {
    const { baseUrls } = this.site;
    const wire = new Wire(new URL(baseUrls[this.wires.length % baseUrls.length]!), connections);
    this.wires.push(wire);
    return wire;
  }

  /** A visitor without a token, on connections of their own. */
  anonymous(): Actor {
    return new Actor(this.wire(), this.prefix, undefined, this.note);
  }

  /** Registers one person per name; each costs the site a password hash, so share them where it does no harm. */
  async cast(...names: string[]): Promise<Member[]> {
    const members: Member[] = [];
    for (let at = 0; at < names.length; at += AT_ONCE) {
      const some = names.slice(at, at + AT_ONCE);
      members.push(...(await Promise.all(some.map((name) => this.someone(name)))));
    }
    return members;
  }

  async someone(name: string): Promise<Member> {
    const username = this.unique(name);
    const password = `password of ${username}`;
    const wire = this.wire();
    const visitor = new Actor(wire, this.prefix, undefined, this.note);
    const answer = await visitor.register({ username, email: `${username}@example.com`, password });
    return new Member(wire, this.prefix, answer.is(201).user, password, this.note);
  }

  /** The name with letters that no other call, and no other run, gives. */
  unique(name: string): string {
    this.count += 1;
    return `${name}${this.run}${this.count.toString(36)}`;
  }

  /** `operation status` of every answer so far. */
  get seen(): ReadonlySet<string> {
    return this.pairs;
  }

  /** What was written is to be seen by the next read. Where that is late, what is read next is not worth looking at. */
  private readonly note: Seen = (operation, answer) => {
    this.pairs.add(`${operation.id} ${answer.status}`);
    const late = answer.headers[LATE_HEADER];
    if (late === undefined || !isPatient(this.options)) return;
    throw new Error(`answered before these groups had applied it: ${String(late)}\n${answer.describe()}`);
  };
}

/** An article that is right, with what a test is about put over it. */
export function draft(over: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { title: 'On nests', description: 'Of twigs', body: 'Twigs, mostly.', tagList: [], ...over };
}
