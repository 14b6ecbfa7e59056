// A real OpenID provider for the tests: node provider.mjs ISSUER PORT RETURN_URL. Any password is good.
import { Provider } from "oidc-provider";

const [issuer, port, returnUrl] = process.argv.slice(2);
const groups = { ada: ["ops", "tea"], ben: ["web"], eve: ["tea"], dan: ["ops"] };

const provider = new Provider(issuer, {
  clients: [
    { client_id: "tukur", client_secret: "a secret of the tests", redirect_uris: [returnUrl] },
  ],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, email: `${id}@example.org`, groups: groups[id] ?? [] }),
  }),
  pkce: { required: () => true },
  cookies: { keys: ["of the tests"] },
});
provider.listen(Number(port), () => console.log("ready"));
