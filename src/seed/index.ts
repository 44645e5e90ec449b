export { ApiClient } from './api/api-client.js';
export { seedByApi, type ApiSeedOptions, type ApiSeedResult } from './api/seed-by-api.js';
export { seedInBulk, type BulkResult } from './bulk/seed-in-bulk.js';
export { recount, type Recount } from './bulk/verify.js';
export { readCorpus, type Package } from './corpus/corpus.js';
export { DEMO } from './corpus/people.js';
export { emailOf } from './plan/accounts.js';
export { Plan, type PlannedArticle, type PlannedComment, type PlanOptions } from './plan/plan.js';
export { createProgress, type Progress, type ProgressOptions } from './progress.js';
