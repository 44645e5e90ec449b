export { devstackErrors } from './devstack.errors.js';
export { embeddedDatabaseNames, type EmbeddedPostgresOptions } from './devstack.options.js';
export { holdEmbeddedPostgres, type EmbeddedServer } from './hold-embedded-postgres.js';
