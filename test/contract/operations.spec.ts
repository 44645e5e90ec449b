import { operationsSuite } from './operations.suite.js';

operationsSuite();
