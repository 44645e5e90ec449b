import type { HealthProbe, HealthReport } from '@rookery/kernel';
import type { OutgoingEvent, Shards } from '@rookery/sharding';
import { EventRegistry } from './definition/event-registry.js';
import type { StoredEvent } from './definition/stored-event.js';
import { eventsErrors } from './events.errors.js';
import type { EventsInternals, EventsSettings } from './events.options.js';
import { BEGINNING } from './groups/cursor.js';
import { ShardGroups, type GroupSource } from './groups/shard-groups.js';
import { Group, type Handler } from './handling/handler.js';
import { HandlerRunner } from './handling/handler-runner.js';
import { GroupSink } from './handling/group-sink.js';
import { Parking } from './handling/parking.js';
import { RetryPolicy } from './handling/retry-policy.js';
import type { ConsumedGroup, KafkaTransport } from './kafka/kafka-transport.js';
import { RELAY_GROUP } from './kafka/relay-group.js';
import { EventLog } from './log/event-log.js';
import { laneMask } from './log/lanes.js';
import { LogUpkeep } from './log/log-upkeep.js';
import { CHANNEL, Notifier, parseNews } from './log/notifier.js';
import { fireTimers } from './log/timers.js';
import { processOf } from './process/define-process.js';
import { rememberedDays } from './process/ended-processes.js';
import { ProcessUpkeep } from './process/process-upkeep.js';
import { Settlement } from './read-after-write/settlement.js';

const GROUP_NAME = /^[a-z][a-z0-9-]{0,62}$/;
/** Older than this, what a group has not applied degrades the replica's health. */
const LAG_DEGRADES_MS = 30_000;
const DEFAULT_CONCURRENCY = 8;

/**
 * The events of a site: what transactions publish, and the groups that handle it. Publishing works from the moment it is
 * made; groups are read between `start` and `stop`.
 */
export class Events {
  readonly registry: EventRegistry;
  readonly settlement: Settlement;
  private readonly log: EventLog;
  private readonly groups = new Map<string, Group>();
  private readonly groupList: Group[] = [];
  private readonly runners: HandlerRunner[] = [];
  private readonly notifier: Notifier;
  private readonly upkeep: LogUpkeep;
  private readonly processes: ProcessUpkeep;
  private shardGroups: ShardGroups[] = [];
  private transport: KafkaTransport | undefined;
  private endListening: (() => void) | undefined;
  private readonly endGauges: (() => void)[] = [];

  constructor(
    private readonly shards: Shards,
    private readonly settings: EventsSettings,
    private readonly internals: EventsInternals = {},
  ) {
    this.registry = new EventRegistry(settings.events);
    this.log = new EventLog(this.registry, settings.maxEventBytes);
    this.notifier = new Notifier(shards, settings.replicaId);
    this.settlement = new Settlement(shards, this.groupList, settings.readAfterWriteMs, settings.meter);
    this.log.onCommitted = (shard, events, later) => this.onCommitted(shard, events, later);
    shards.useOutbox(this.log);
    this.upkeep = new LogUpkeep({
      shards,
      retentionDays: settings.retentionDays,
      elsewhere: () => (this.transport ? this.groupList.map(({ name }) => name) : [RELAY_GROUP]),
      meter: settings.meter,
      onWarning: settings.onWarning,
    });
    this.processes = new ProcessUpkeep({
      shards,
      processes: this.registry.all.flatMap(({ type }) => processOf(type) ?? []),
      days: rememberedDays(settings),
      meter: settings.meter,
      onWarning: settings.onWarning,
    });
  }

  /** Publishes in the transaction that the present code runs in. @throws RK_EVENTS_NO_TRANSACTION; as `tx.publish` */
  publish(...events: readonly OutgoingEvent[]): void {
    this.log.publishHere(events);
  }

  /** Declares a handler. Before `start`. @throws RK_EVENTS_BAD_HANDLER, _UNDECLARED */
  addHandler(handler: Handler, concurrency = DEFAULT_CONCURRENCY): void {
    const refuse = (reason: string): never => {
      throw eventsErrors.create('BAD_HANDLER', { data: { handler: handler.name, reason } });
    };
    const { group: name, definition } = handler;
    if (!GROUP_NAME.test(name)) refuse(`a group is letters, digits and dashes, not "${name}"`);
    if (name === RELAY_GROUP) refuse(`${RELAY_GROUP} is the group that hands events over to Kafka`);
    if (!this.registry.has(definition)) {
      throw eventsErrors.create('UNDECLARED', { data: { type: definition.type } });
    }
    let group = this.groups.get(name);
    if (!group) {
      group = new Group(name);
      this.groups.set(name, group);
      this.groupList.push(group);
    }
    const other = group.handlerOf(definition.type);
    if (other) refuse(`${other.name} handles ${definition.type} in group ${name} already`);
    group.add(handler, concurrency);
  }

  /**
   * Begins to handle. A shard or a Kafka that is away holds up nothing: it is taken up when it is there.
   * @throws RK_EVENTS_UNKNOWN_TOPIC where Kafka answers, and has not all topics
   */
  async start(): Promise<void> {
    const sources = await this.sources();
    this.endListening = this.shards.onNotification(CHANNEL, (shard, payload) => {
      const groups = this.shardGroups.find((one) => one.shard === shard);
      const { replicaId, lanes } = parseNews(payload);
      if (replicaId === this.settings.replicaId) return groups?.heardItself();
      groups?.wake({ lanes });
      if (lanes === undefined) groups?.lookSoon();
      // A new connection: whether anything is heard over it shows when what is told here comes back.
      if (payload !== '') return;
      groups?.mayBeDeaf();
      this.notifier.tell(shard);
    });
    this.shardGroups = this.shards.shardNames.map((shard) => this.groupsOn(shard, sources));
    this.exportLag();
    this.upkeep.start();
    this.processes.start();
    await Promise.all(
      this.shardGroups.map(async (groups) => {
        await groups.share().catch((error: unknown) => {
          this.settings.onWarning(`events of ${groups.shard} are taken up when it answers`, error);
        });
        groups.start();
      }),
    );
  }

  /** Ends what is under way, saves how far it came, and gives its lanes to others. Publishing goes on. */
  async stop(): Promise<void> {
    for (const end of this.endGauges.splice(0)) end();
    this.endListening?.();
    await Promise.all([this.upkeep.stop(), this.processes.stop()]);
    this.transport?.stopTaking();
    for (const runner of this.runners) runner.stop();
    await this.transport?.stop();
    await Promise.all(this.shardGroups.splice(0).map((groups) => groups.stop()));
    this.notifier.stop();
  }

  /** One probe: degraded while a group is far behind or keeps the log from being dropped, and while Kafka is in trouble. */
  get probe(): HealthProbe {
    return { name: 'events', critical: false, check: () => Promise.resolve(this.health()) };
  }

  /** Lanes of each group that this replica has, by shard. */
  lanes(): Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> {
    return Object.fromEntries(this.shardGroups.map((one) => [one.shard, Object.fromEntries(one.lanes())]));
  }

  private health(): HealthReport {
    const lags = this.shardGroups.flatMap((one) => one.lag().map((lag) => ({ shard: one.shard, ...lag })));
    const late = lags.filter(({ lagMs }) => lagMs > LAG_DEGRADES_MS);
    const kept = this.upkeep.kept;
    const kafka = this.transport?.trouble ?? [];
    const degraded = late.length > 0 || kept.size > 0 || kafka.length > 0;
    return {
      status: degraded ? 'degraded' : 'up',
      details: {
        ...(late.length > 0 ? { late } : {}),
        ...(kafka.length > 0 ? { kafka } : {}),
        ...(kept.size > 0 ? { partitionsNotRead: Object.fromEntries(kept) } : {}),
      },
    };
  }

  private onCommitted(shard: string, events: readonly StoredEvent[], later = false): void {
    this.settlement.committed(events);
    const lanes = laneMask(events.map(({ slot }) => slot));
    const groups = this.shardGroups.find((one) => one.shard === shard);
    groups?.wake({ lanes, types: new Set(events.map(({ type }) => type)) });
    if (later) groups?.lookSoon();
    this.notifier.tell(shard, later ? undefined : lanes);
  }

  private groupsOn(shard: string, groups: readonly GroupSource[]): ShardGroups {
    const { replicaId, leaseMs, pollMs, readAhead, meter, onWarning } = this.settings;
    return new ShardGroups({
      shards: this.shards,
      shard,
      groups,
      replicaId,
      leaseMs,
      pollMs,
      readAhead,
      meter,
      onWarning,
      // What consumers' groups have had already, they know by their inboxes.
      start: this.transport || this.settings.newGroups === 'beginning' ? BEGINNING : null,
      onTimersDue: async () => {
        await fireTimers(this.shards, shard, (at, events) => this.onCommitted(at, events));
      },
      onParkedDue: async () => this.transport?.retryDue(shard),
      bySequence: this.internals.bySequence ?? false,
      withoutFence: this.internals.withoutFence ?? false,
    });
  }

  /** What reads the logs: the groups themselves, or the relay. */
  private async sources(): Promise<GroupSource[]> {
    const { kafka, maxBatch, readAhead, meter, onWarning, retries } = this.settings;
    if (!kafka) {
      return this.groupList.map((group) => {
        const { runner, parking } = this.consumed(group);
        const options = { concurrency: group.concurrency, maxBatch };
        return {
          name: group.name,
          types: group.types,
          sinkFor: () => new GroupSink(runner, parking, options),
        };
      });
    }
    // Whoever does without Kafka does without its client.
    const { KafkaTransport } = await import('./kafka/kafka-transport.js');
    const transport = new KafkaTransport({
      kafka,
      shards: this.shards,
      registry: this.registry,
      retries: new RetryPolicy(retries),
      readAhead,
      maxBatch,
      meter,
      onWarning,
    });
    await transport.start(this.groupList.map((group) => this.consumed(group)));
    this.transport = transport;
    return [transport.relay];
  }

  private consumed(group: Group): ConsumedGroup {
    const { settings, shards, registry, internals } = this;
    const retries = new RetryPolicy(settings.retries);
    const parking = new Parking(shards, group.name, retries);
    const runner = new HandlerRunner({
      shards,
      registry,
      group,
      parking,
      retries,
      meter: settings.meter,
      inbox: !internals.withoutInbox,
      awaitsOf: (tx) => this.settlement.awaitsOf(this.log.publishedIn(tx)),
      onApplied: (event, tx) => this.settlement.applied(event, group.name, this.log.publishedIn(tx)),
      onFailure: (event, failure, parked) => {
        // Somebody has to look when its time comes.
        if (parked) for (const one of this.shardGroups) one.lookSoon();
        const what = parked ? 'is parked, with all that follows under its key' : 'is tried again';
        settings.onWarning(
          `event ${event.id} (${event.type}) failed in group ${group.name} and ${what}`,
          failure,
        );
      },
    });
    this.runners.push(runner);
    return { group, runner, parking };
  }

  private exportLag(): void {
    const { meter } = this.settings;
    const all = () =>
      this.shardGroups.flatMap((one) => one.lag().map((lag) => ({ ...lag, shard: one.shard })));
    this.endGauges.push(
      meter.gauge(
        {
          name: 'rookery_events_lag_seconds',
          help: 'Age of the oldest event that is read and not applied',
          labels: ['group', 'shard'],
        },
        () => all().map(({ group, shard, lagMs }) => ({ value: lagMs / 1000, labels: { group, shard } })),
      ),
      meter.gauge(
        { name: 'rookery_events_pending', help: 'Events read and not applied', labels: ['group', 'shard'] },
        () => all().map(({ group, shard, pending }) => ({ value: pending, labels: { group, shard } })),
      ),
      meter.gauge(
        { name: 'rookery_events_lanes', help: 'Lanes this replica has, of 16', labels: ['group', 'shard'] },
        () => all().map(({ group, shard, lanes }) => ({ value: lanes, labels: { group, shard } })),
      ),
    );
  }
}
