// For the image's HEALTHCHECK: ends with 0 if the replica may take traffic. There is no curl in the image, nor a need for one.
const port = process.env.PORT ?? '3000';
const problem = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(2_500) })
  .then((answer) => (answer.ok ? undefined : `answered ${answer.status}`))
  .catch((error) => String(error.cause ?? error));
if (problem !== undefined) {
  process.stderr.write(`not ready: ${problem}\n`);
  process.exitCode = 1;
}
