export { RpcModule } from './rpc.module.js';
export { serveRpc, type ServeRpcOptions } from './serve-rpc.js';
