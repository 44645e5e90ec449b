import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { runChild } from './run-child.mjs';

const VERSION = '4.1.0';
/** slf4j-simple writes the log to standard error, where a start that failed is explained. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rookery</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`;
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';

/** The folder of Kafka's jars, of this user and for all their checkouts; it is whole where it exists. */
export function kafkaJars() {
  // A relative path there is to be ignored: XDG Base Directory Specification.
  const set = process.env.XDG_CACHE_HOME ?? '';
  return join(isAbsolute(set) ? set : join(homedir(), '.cache'), 'rookery', `kafka-${VERSION}`, 'lib');
}

export function hasKafkaJars() {
  return existsSync(kafkaJars());
}

/** Gets the jars from Maven Central, by `mvn`. Others may do the same at once: the first is kept. */
export async function fetchKafkaJars() {
  const started = performance.now();
  const target = join(kafkaJars(), '..');
  console.log(`getting Apache Kafka ${VERSION} from Maven Central (43 MB, once) into ${target}`);
  mkdirSync(join(target, '..'), { recursive: true });
  const draft = mkdtempSync(`${target}.`);
  try {
    writeFileSync(join(draft, 'pom.xml'), POM);
    await copyJars(draft);
    try {
      renameSync(draft, target);
    } catch (error) {
      if (!hasKafkaJars()) throw error;
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  console.log(`got it in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

async function copyJars(folder) {
  const args = ['--batch-mode', '--quiet', '--strict-checksums', '--file', join(folder, 'pom.xml'), COPY];
  const { code, output } = await runChild('mvn', [
    ...args,
    '-DincludeScope=runtime',
    `-DoutputDirectory=${join(folder, 'lib')}`,
  ]);
  if (code === 0 && existsSync(join(folder, 'lib', `kafka_2.13-${VERSION}.jar`))) return;
  const why = output.split('\n').find((line) => line.includes('[ERROR]')) ?? output.trim();
  throw new Error(
    `Kafka's jars could not be got from Maven Central: ${why.replace(/^.*\[\S*ERROR\S*\] /, '')}`,
  );
}
