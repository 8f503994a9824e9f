// A real OpenID provider on a port of its own, for tests: it prints its address, and signs in whoever gives a name.
// Usage: node openid_provider.mjs FOLDER_OF_NODE_MODULES REDIRECT_URI SECRET
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const [modules, redirect, secret] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'hub', client_secret: secret, redirect_uris: [redirect],
      response_types: ['code'], grant_types: ['authorization_code'],
    }],
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    cookies: { keys: ['of a test'] },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
process.stdin.on('end', () => process.exit(0)).resume();  // ends with whoever began it
