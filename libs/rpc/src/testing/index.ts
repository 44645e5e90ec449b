export { testAuthority, type TestAuthority, type TestCertificate } from './certificates.js';
export { echoProto, type EchoClient, type Words } from './echo.js';
