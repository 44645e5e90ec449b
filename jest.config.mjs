const swc = {
  jsc: {
    target: 'es2023',
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    keepClassNames: true,
  },
  module: { type: 'es6' },
  sourceMaps: 'inline',
};

export default {
  // The suites wait for servers as much as they work: a worker per core, where Jest would leave one core idle.
  maxWorkers: '100%',
  // Modules of a suite are never freed: a worker of three gigabytes is mostly busy with looking through them.
  workerIdleMemoryLimit: '1GB',
  // A worker that is done has a large heap to take down, which takes longer than Jest's half second on a busy machine; one
  // that something holds open is still there after this, and fails the run.
  workerGracefulExitTimeout: 10_000,
  testMatch: ['<rootDir>/{src,libs,test,bench}/**/*.spec.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '/dist/',
    '<rootDir>/test/[^/]+/fixtures/',
    '<rootDir>/test/stack/',
  ],
  // Tests run against real servers, on machines that do other things as well.
  testTimeout: 60_000,
  testEnvironment: '<rootDir>/test/setup/leak-guard-environment.mjs',
  globalSetup: '<rootDir>/test/setup/global-setup.mjs',
  globalTeardown: '<rootDir>/test/setup/global-teardown.mjs',
  testEnvironmentOptions: { customExportConditions: ['rookery-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['@swc/jest', { ...swc, swcrc: false }] },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/test/[^/]+/fixtures/'],
};
