// needs: nginx
import type { Proxy } from '@rookery/devstack/testing';
import { brokenHttpSuite } from '../contract/broken-http.suite.js';
import { malformedSuite } from '../contract/malformed.suite.js';
import { bootSite, PATIENCE_MS, type BootedSite } from '../support/site.js';
import { nginxBefore } from './support/proxies.js';

const LIMIT_MS = 120_000;

/** The suites that send what no client should, to a site by `deploy/nginx`: what this refuses itself is refused as well. */
describe('through Nginx', () => {
  let site: BootedSite | undefined;
  let nginx: Proxy | undefined;

  beforeAll(async () => {
    const environment = { TRUST_PROXY: 'true', READ_AFTER_WRITE_MS: PATIENCE_MS };
    site = await bootSite({ environment });
    const { host } = new URL(site.baseUrl);
    nginx = await nginxBefore([{ name: 'one', address: host }]);
    process.env['CONDUIT_URL'] = `${nginx.url}/api`;
    process.env['CONDUIT_SHARD_URLS'] = site.shardUrls.join(',');
  }, LIMIT_MS);
  afterAll(async () => {
    delete process.env['CONDUIT_URL'];
    delete process.env['CONDUIT_SHARD_URLS'];
    await nginx?.close();
    await site?.close();
  }, LIMIT_MS);

  describe('bytes that are no request', () => {
    brokenHttpSuite({}, 'nginx');
  });

  describe('input that no client should send', () => {
    malformedSuite({}, 'nginx');
  });
});
