export { conduitErrors } from './conduit-errors.js';
