import { ensureTopics, type AnyEventDefinition, type KafkaOptions, type TopicStatus } from '@rookery/events';
import type { CliCommand } from '../cli.options.js';
import type { ShardedSite } from '../sharded-site.js';
import { duration } from '../terminal/figures.js';
import type { Output } from '../terminal/output.js';
import { table } from '../terminal/table.js';

/** What commands about a site's events need of it beside its shards. */
export interface EventsSite extends ShardedSite {
  readonly events: readonly AnyEventDefinition[];
  /** Undefined where events are read from the logs. */
  readonly kafka: KafkaOptions | undefined;
}

/** `rookery events topics`: the topics that the site's events want, and those that there are. */
export const eventsTopics: CliCommand<EventsSite> = {
  path: ['events', 'topics'],
  summary: 'show the Kafka topics that the events want, and make those that are missing',
  flags: [{ flags: '--create', summary: 'make the missing ones' }],
  help: `States:
  ok        is as the events want it
  created   was made just now
  missing   is not there: --create makes it
  differs   has other partitions or keeps events for another time. It is left as it is: more partitions would move keys
            while their events are under way. Change the definition, or the topic while nothing is under way

Ends with code 1 if one is missing.`,
  async run({ flags, json, output, open }) {
    const { events, kafka } = await open();
    if (!kafka) {
      if (json) output.json({ kafka: false, topics: [] });
      else
        output.print(
          'this site has no Kafka: its handlers read the logs of the shards, and no topic is needed',
        );
      return 0;
    }
    const topics = await ensureTopics(events, kafka, { create: flags['create'] === true });
    if (json) output.json({ kafka: true, topics });
    else print(topics, output);
    return topics.some(({ state }) => state === 'missing') ? 1 : 0;
  },
};

const COLOURS = { ok: 'green', created: 'green', missing: 'red', differs: 'yellow' } as const;

function print(topics: readonly TopicStatus[], output: Output): void {
  const rows = topics.map(({ topic, state, partitions, retentionMs }) => [
    topic,
    output.paint(COLOURS[state], state),
    compared(partitions, String),
    compared(retentionMs, kept),
  ]);
  const [head, ...lines] = table(
    [{ title: 'topic' }, { title: 'state' }, { title: 'partitions' }, { title: 'kept for' }],
    rows,
  );
  output.print(output.paint('dim', head!));
  for (const line of lines) output.print(line);
  if (topics.some(({ state }) => state === 'missing')) {
    output.print(
      `\n${output.paint('cyan', 'rookery events topics --create')}  ${output.paint('dim', 'makes the missing ones')}`,
    );
  }
}

function compared(
  { wanted, there }: { readonly wanted: number; readonly there: number | undefined },
  text: (value: number) => string,
): string {
  return there === undefined || there === wanted ? text(wanted) : `${text(there)}, wanted ${text(wanted)}`;
}

function kept(ms: number): string {
  return ms < 0 ? 'ever' : duration(ms);
}
