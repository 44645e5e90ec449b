import { parseArgs } from 'node:util';

export interface SeedOptions {
  /** @default as many as the corpus has packages */
  readonly articles: number | undefined;
  readonly bulk: boolean;
  /** Base URL of a running site's API. @default http://127.0.0.1:3000/api, else a site of our own */
  readonly url: string | undefined;
  /** UTF-16 units of a README in the repetitions of its article. */
  readonly bodyLength: number;
  readonly password: string | undefined;
  /** @default the nearest node_modules above the program */
  readonly from: string | undefined;
  readonly concurrency: number;
  readonly help: boolean;
}

export const USAGE = `Fills Conduit from the packages under node_modules: authors become users, a README an article, keywords its tags;
favorites, follows and comments come from who depends on whom. Run it again, in the same way, to go on where it ended.

  npm run seed -- [options]

  --articles N     how many; beyond the packages there are, they come again under other titles [all packages, once]
  --url URL        the API to talk to [http://127.0.0.1:3000/api; if nobody answers, a site is started for the time]
  --bulk           write straight into the shards that the environment names (SHARD_URLS, or the embedded ones)
  --body-bytes N   with more articles than packages: how much of a README its repetitions carry [500]
  --password P     of everybody who is made, the user demo among them [rookery-demo; required in production]
  --concurrency N  requests at a time, without --bulk [8]
  --from DIR       the packages to read [node_modules of this project]
  --help
`;

const MOST_ARTICLES = 10_000_000;

/** The command line cannot be understood; the message says what was expected. */
export class UsageFault extends Error {
  readonly exitCode = 2;
}

/** @throws UsageFault */
export function seedOptions(argv: readonly string[]): SeedOptions {
  const values = parse(argv);
  const bulk = values.bulk ?? false;
  if (bulk && values.url !== undefined) {
    throw new UsageFault('--bulk writes to the databases, not to --url: give one of the two');
  }
  if (values.url !== undefined && !isHttpUrl(values.url)) {
    throw new UsageFault(`--url expects an http:// or https:// URL, not "${values.url}"`);
  }
  return {
    articles: whole('--articles', values.articles, 1, MOST_ARTICLES),
    bulk,
    url: values.url?.replace(/\/+$/, ''),
    bodyLength: whole('--body-bytes', values['body-bytes'], 1, 1_000_000) ?? 500,
    password: values.password,
    from: values.from,
    concurrency: whole('--concurrency', values.concurrency, 1, 256) ?? 8,
    help: values.help ?? false,
  };
}

function isHttpUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        articles: { type: 'string' },
        bulk: { type: 'boolean' },
        url: { type: 'string' },
        'body-bytes': { type: 'string' },
        password: { type: 'string' },
        from: { type: 'string' },
        concurrency: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('. ')[0]! : String(error);
    throw new UsageFault(`${reason} (--help shows what there is)`, { cause: error });
  }
}

function whole(name: string, value: string | undefined, least: number, most: number): number | undefined {
  if (value === undefined) return undefined;
  const number = /^[\d_]+$/.test(value) ? Number(value.replaceAll('_', '')) : NaN;
  if (!(number >= least && number <= most)) {
    throw new UsageFault(`${name} expects a whole number from ${least} to ${most}, not "${value}"`);
  }
  return number;
}
