/** Where a program is; `undefined` if it is not installed. */
export function findProgram(name: 'chromium' | 'java' | 'mvn'): string | undefined;

/**
 * Makes sure that what has these names is on this machine, as the suites that need it do.
 * @throws where it can neither be installed nor got from where its makers put it, saying what
 */
export function provide(names: readonly ('chromium' | 'kafka')[]): Promise<void>;

/** The folder of Kafka's jars, for `startKafka`; it is there once `kafka` has been provided. */
export function kafkaJars(): string;
