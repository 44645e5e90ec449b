import { startNginx } from '@rookery/devstack/testing';

/** Starts an Nginx, says where it is, and waits to be killed. */
const nginx = await startNginx({
  files: ({ host, ports }) => ({
    'nginx.conf': `worker_processes 2; error_log stderr; pid nginx.pid; events {}
      http { access_log off; client_body_temp_path tmp/b; proxy_temp_path tmp/p; fastcgi_temp_path tmp/f;
        uwsgi_temp_path tmp/u; scgi_temp_path tmp/s; server { listen ${host}:${ports[0]}; return 204; } }`,
  }),
});
process.stdout.write(`${JSON.stringify({ url: nginx.url, folder: nginx.folder, pid: nginx.pid })}\n`);
setInterval(() => undefined, 1_000);
