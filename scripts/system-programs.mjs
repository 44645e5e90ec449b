import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fetchKafkaJars, hasKafkaJars } from './kafka-jars.mjs';
import { runChild } from './run-child.mjs';

export { kafkaJars } from './kafka-jars.mjs';

/** The commands that will do, and the Debian package. */
const PROGRAMS = {
  chromium: { commands: ['chromium', 'chromium-browser', 'google-chrome'], debian: 'chromium' },
  etcd: { commands: ['etcd'], debian: 'etcd-server' },
  haproxy: { commands: ['haproxy'], debian: 'haproxy' },
  java: { commands: ['java'], debian: 'default-jre-headless' },
  mvn: { commands: ['mvn'], debian: 'maven' },
  nginx: { commands: ['nginx'], debian: 'nginx' },
  // With promtool.
  prometheus: { commands: ['prometheus'], debian: 'prometheus' },
  // With redis-cli, of a package that this one brings.
  redis: { commands: ['redis-server'], debian: 'redis-server' },
  openssl: { commands: ['openssl'], debian: 'openssl' },
};
/**
 * What suites may ask for in a line `// needs: name, name`: the programs it takes; and what comes from elsewhere than
 * Debian: whether it is there, how it is got, and with which programs.
 */
const PROVISIONS = {
  chromium: { programs: ['chromium'] },
  etcd: { programs: ['etcd'] },
  haproxy: { programs: ['haproxy'] },
  kafka: { programs: ['java'], fetched: { there: hasKafkaJars, get: fetchKafkaJars, with: ['mvn'] } },
  nginx: { programs: ['nginx'] },
  prometheus: { programs: ['prometheus'] },
  redis: { programs: ['redis'] },
  openssl: { programs: ['openssl'] },
};
const NEEDS = /^\/\/ needs: (.+)$/gm;

/** Makes sure that what the suites of `folder` need is on this machine. */
export async function provideFor(folder) {
  await provide(neededBy(folder));
  return { passed: 0, failed: 0, skipped: 0 };
}

/**
 * Makes sure that what has these names is on this machine: installs it as root on Debian, and elsewhere fails with what to
 * install; gets what Debian does not have from where its makers put it.
 */
export async function provide(names) {
  const provisions = names.map((name) => PROVISIONS[name]);
  const toFetch = provisions.flatMap(({ fetched }) => (fetched && !fetched.there() ? [fetched] : []));
  const programs = [...provisions.flatMap(({ programs }) => programs), ...toFetch.flatMap((one) => one.with)];
  const missing = [...new Set(programs)].filter((name) => findProgram(name) === undefined);
  if (missing.length > 0) await install(missing);
  for (const { get } of toFetch) await get();
}

/** What of these is not on this machine, and how to get it; nothing is installed. */
export function lacking(names) {
  const provisions = names.map((name) => PROVISIONS[name]);
  const programs = [...new Set(provisions.flatMap(({ programs }) => programs))].filter(
    (name) => !findProgram(name),
  );
  const fetched = names.filter((name) => PROVISIONS[name].fetched?.there() === false);
  return [
    ...programs.map((name) => `${name}: on Debian, apt-get install ${PROGRAMS[name].debian}`),
    ...fetched.map(
      (name) => `${name}: from Maven Central by mvn (on Debian, apt-get install ${PROGRAMS.mvn.debian})`,
    ),
  ];
}

/** Where a program is; `undefined` if it is not installed. */
export function findProgram(name) {
  return PROGRAMS[name].commands
    .flatMap((command) => (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, command)))
    .find(isExecutable);
}

function neededBy(folder) {
  const suites = existsSync(folder) ? readdirSync(folder, { recursive: true }) : [];
  const names = suites
    .filter((suite) => suite.endsWith('.stack.spec.ts'))
    .flatMap((suite) => [...readFileSync(join(folder, suite), 'utf8').matchAll(NEEDS)])
    .flatMap(([, list]) => list.split(',').map((name) => name.trim()));
  const unknown = names.find((name) => !(name in PROVISIONS));
  if (unknown !== undefined)
    throw new Error(`a suite needs '${unknown}', which system-programs.mjs does not know`);
  return [...new Set(names)];
}

async function install(missing) {
  const packages = missing.map((name) => PROGRAMS[name].debian);
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version');
  if (!canInstall)
    throw new Error(`missing: ${missing.join(', ')}. On Debian: sudo apt-get install ${packages.join(' ')}`);
  console.log(`installing ${packages.join(', ')}`);
  await aptGet('update', '-qq');
  await aptGet('install', '-y', '-qq', '--no-install-recommends', ...packages);
  const still = missing.filter((name) => findProgram(name) === undefined);
  if (still.length > 0) throw new Error(`installed, and still not found: ${still.join(', ')}`);
}

async function aptGet(...args) {
  const { code, output } = await runChild('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args]);
  if (code !== 0) throw new Error(`apt-get ${args.join(' ')} failed:\n${output}`);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
