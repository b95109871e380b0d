// A provider of identity for tests: npm's oidc-provider, which is certified, on a free port or a given one.
//
//   node provider.mjs MODULES LAB [PORT]
//
// MODULES is where package.json's dependencies are installed, LAB the lab's address. It says `ready ISSUER` when it answers.
// What is known of people is told by POST /control/people ({ "login": { "email": …, "groups": […] } }); any password does.
import { createServer } from 'node:http';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, lab, port = '0'] = process.argv.slice(2);
const entry = pathToFileURL(resolve(modules, 'node_modules/oidc-provider/lib/index.js'));
const { Provider } = await import(entry.href);

const people = new Map();
let answer = (_, response) => response.writeHead(503).end();
const server = createServer((request, response) => answer(request, response));
await new Promise((started) => server.listen(Number(port), '127.0.0.1', started));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: 'tincture',
    client_secret: 'a secret of the lab: %+&',
    redirect_uris: [`${lab}/auth/oidc/callback`],
    post_logout_redirect_uris: [`${lab}/`],
    backchannel_logout_uri: `${lab}/auth/oidc/logout`,
    backchannel_logout_session_required: true,
  }],
  cookies: { keys: ['for tests'] },
  claims: { openid: ['sub', 'sid'], email: ['email', 'email_verified'], profile: ['groups'] },
  features: { backchannelLogout: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
  // Its own way refuses addresses of this machine, where the lab is.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
  // Nobody is asked whether the lab may know their name.
  async loadExistingGrant({ oidc }) {
    const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
});

// What the lab refuses is for the test to see.
provider.on('backchannel.error', (_, error) => console.error(error));
provider.on('server_error', (_, error) => console.error(error));

const serve = provider.callback();
answer = async (request, response) => {
  if (request.method !== 'POST' || request.url !== '/control/people') return serve(request, response);
  let text = '';
  for await (const piece of request) text += piece;
  for (const [login, claims] of Object.entries(JSON.parse(text))) people.set(login, claims);
  return response.writeHead(204).end();
};
console.log(`ready ${issuer}`);
