export type { About, Link } from './about.js';
export { StartModule } from './start.module.js';
