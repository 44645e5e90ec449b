import { publishedDocumentSuite } from './published-document.suite.js';

publishedDocumentSuite();
