import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { credentials, experimental, type ChannelCredentials, type ServerCredentials } from '@grpc/grpc-js';
import { BackgroundLoop, type Meter } from '@rookery/kernel';
import { rpcErrors } from '../rpc.errors.js';

/** File names, in PEM. */
export interface RpcTls {
  /** The certificate, with those between it and the authority. A client without one says so by leaving both out. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Of who may be believed: a server that has it takes only callers with a certificate of this authority. */
  readonly caFile?: string;
  /** Milliseconds between looks at the files. @default 10000 */
  readonly reloadMs?: number;
}

interface Contents {
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly ca: Buffer | undefined;
}

type Identity = experimental.IdentityCertificateUpdate;
type Authority = experimental.CaCertificateUpdate;

/**
 * Certificates from files, read again when they change, so that they rotate without a restart. New connections use what was
 * read last; files that cannot be used, or do not belong together just now, change nothing.
 */
export class TlsFiles implements experimental.CertificateProvider {
  private readonly identityListeners = new Set<(update: Identity | null) => void>();
  private readonly caListeners = new Set<(update: Authority | null) => void>();
  private readonly loop: BackgroundLoop;

  private constructor(
    private readonly files: RpcTls,
    private contents: Contents,
    meter: Meter,
    onError: (error: unknown, what: string) => void,
  ) {
    this.loop = new BackgroundLoop({
      name: 'rpc-tls',
      intervalMs: files.reloadMs ?? 10_000,
      meter,
      run: () => this.look(),
      onError: (error) => onError(error, 'tls'),
    });
    this.loop.start();
  }

  /** @throws RK_RPC_BAD_TLS */
  static async open(
    files: RpcTls,
    { meter, onError }: { readonly meter: Meter; readonly onError: (error: unknown, what: string) => void },
  ): Promise<TlsFiles> {
    return new TlsFiles(files, await read(files), meter, onError);
  }

  /** @throws RK_RPC_BAD_TLS */
  serverCredentials(): ServerCredentials {
    if (this.contents.cert === undefined) throw bad('a server needs a certificate and its key');
    // grpc-js 1.14 mistakes one of the two for the other, so both are given; without an authority nobody is asked to show
    // a certificate that would have to be believed.
    return experimental.createCertificateProviderServerCredentials(
      this,
      this,
      this.contents.ca !== undefined,
    );
  }

  /** @throws RK_RPC_BAD_TLS */
  channelCredentials(): ChannelCredentials {
    // Without an authority of its own, those of the system are believed: nothing that could change.
    if (this.contents.ca === undefined) {
      return credentials.createSsl(null, this.contents.key ?? null, this.contents.cert ?? null);
    }
    const identity = this.contents.cert === undefined ? null : this;
    return experimental.createCertificateProviderChannelCredentials(this, identity);
  }

  close(): Promise<void> {
    return this.loop.stop();
  }

  addIdentityCertificateListener(listener: (update: Identity | null) => void): void {
    this.identityListeners.add(listener);
    // Not at once: who asks is not ready to be told before it has asked.
    process.nextTick(() => listener(this.identity()));
  }

  removeIdentityCertificateListener(listener: (update: Identity | null) => void): void {
    this.identityListeners.delete(listener);
  }

  addCaCertificateListener(listener: (update: Authority | null) => void): void {
    this.caListeners.add(listener);
    process.nextTick(() => listener(this.authority()));
  }

  removeCaCertificateListener(listener: (update: Authority | null) => void): void {
    this.caListeners.delete(listener);
  }

  private async look(): Promise<void> {
    const now = await read(this.files);
    const before = this.contents;
    if (same(now.cert, before.cert) && same(now.key, before.key) && same(now.ca, before.ca)) return;
    this.contents = now;
    for (const listener of this.identityListeners) listener(this.identity());
    for (const listener of this.caListeners) listener(this.authority());
  }

  private identity(): Identity | null {
    const { cert, key } = this.contents;
    return cert && key ? { certificate: cert, privateKey: key } : null;
  }

  private authority(): Authority | null {
    const { ca, cert } = this.contents;
    const believed = ca ?? cert;
    return believed ? { caCertificate: believed } : null;
  }
}

async function read({ certFile, keyFile, caFile }: RpcTls): Promise<Contents> {
  if ((certFile === undefined) !== (keyFile === undefined)) throw bad('certificate and key go together');
  const [cert, key, ca] = await Promise.all([certFile, keyFile, caFile].map(contentsOf));
  try {
    createSecureContext({ cert, key, ca });
  } catch (cause) {
    const files = [certFile, keyFile, caFile].filter((file) => file !== undefined).join(', ');
    throw bad(`${files}: ${cause instanceof Error ? cause.message : String(cause)}`, cause);
  }
  return { cert, key, ca };
}

async function contentsOf(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (cause) {
    throw bad(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'})`, cause);
  }
}

function same(one: Buffer | undefined, other: Buffer | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && one.equals(other));
}

function bad(reason: string, cause?: unknown) {
  return rpcErrors.create('BAD_TLS', { data: { reason }, cause });
}
