import { RouteTable } from './route-table.js';

const table = new RouteTable();
table.add('GET', '/api/things');
table.add('POST', '/api/things');
table.add(['GET', 'HEAD'], '/api/things/:id');
table.add('GET', '/docs/*');
table.add('GET', '/');

test.each([
  ['/api/things', ['GET', 'POST']],
  ['/api/things/?a=/b', ['GET', 'POST']],
  ['/api/things/1', ['GET', 'HEAD']],
  ['/api/things/1/x', []],
  ['/api', []],
  ['/docs/a', []],
  ['/docs/a/b', []],
  ['/', ['GET']],
])('%s takes %j', (url, methods) => {
  expect(table.methodsOf(url)).toEqual(methods);
});
