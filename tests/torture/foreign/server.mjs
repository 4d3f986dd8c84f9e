// A provider that is not ours: the npm package oidc-provider, with rotating refresh tokens whose reuse ends the grant.
//
// Around it, what a run needs to know: a log of the requests for tokens, in the words of the sandbox's control API, and
// answers that take longer if a script asks for that.
import { createHash } from 'node:crypto';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import Provider from 'oidc-provider';

const [port, clientId, clientSecret, redirectUri, accessLife] = process.argv.slice(2);
const slug = 'foreign';
const calls = [];
const families = new Map();
const numbers = new Map();
const tokens = new Map();
let faults = [];

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
  }],
  cookies: { keys: ['a key of a test'] },
  features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  ttl: {
    AccessToken: Number(accessLife), AuthorizationCode: 86400, Grant: 86400, Interaction: 600, RefreshToken: 86400, Session: 600, IdToken: 600,
  },
});

const now = () => Date.now() / 1000;
// When the sockets were read the last two times. Each time, at most one piece of what has arrived on a socket is read, so
// a client whose end is read now may have gone since the first of them. If this process was suspended, that is long ago.
let looks = [now(), now()];
setInterval(() => setImmediate(() => { looks = [looks[1], now()]; }), 10);
const id = (value) => createHash('sha256').update(value).digest('hex').slice(0, 16);

function end(grantId, reason, call) {
  const family = families.get(grantId);
  if (family && family.ended === null) {
    family.ended = reason;
    family.ended_at = now();
    call?.ended.push(family.family);
  }
}

provider.on('grant.success', (ctx) => {
  const { AccessToken, Grant } = ctx.oidc.entities;
  const grantId = AccessToken.grantId;
  if (!families.has(grantId)) {
    numbers.set(grantId, families.size + 1);
    families.set(grantId, { family: families.size + 1, account: Grant.accountId, ended: null, ended_at: null });
  }
  ctx.req.call.family = numbers.get(grantId);
  ctx.req.call.account = Grant.accountId;
  // Here rather than in the answer: nothing is written to a client that has gone.
  note(ctx.req.call, ctx.body);
});
provider.on('grant.error', (ctx, fault) => { ctx.req.call.outcome = fault.error; });
provider.on('revocation.error', (ctx, fault) => { ctx.req.call.outcome = fault.error; });
provider.on('grant.revoked', (ctx, grantId) => {
  const { call } = ctx.req;
  call.reuse = call.endpoint === 'token';
  end(grantId, call.reuse ? 'reuse' : 'revoked', call);
});

// The user at the provider: logs in as the account that the URL names, and agrees.
async function interact(req, res) {
  const { prompt, params, session } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    await provider.interactionFinished(req, res, { login: { accountId: params.login_hint } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId });
  grant.addOIDCScope(params.scope);
  const result = { consent: { grantId: await grant.save() } };
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
}

async function read(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function begin(req, form) {
  const sent = form.refresh_token ?? form.token ?? form.code;
  const known = tokens.get(id(sent ?? ''));
  const call = {
    seq: calls.length + 1,
    slug,
    endpoint: req.url === '/token' ? 'token' : 'revoke',
    grant_type: form.grant_type ?? null,
    form,
    family: known?.family ?? null,
    account: known?.account ?? null,
    sent: sent ? id(sent) : null,
    issued: [],
    reuse: false,
    ended: [],
    time: now(),
    handled_at: null,
    closed_at: null,
    hung_up_at: null,
    fault: null,
    outcome: 'pending',
  };
  calls.push(call);
  return call;
}

// Of the sandbox's faults, those that only take time.
function planFault(fault) {
  if (['slow', 'late', 'hang'].includes(fault.fault)) faults.push({ seconds: 2, ...fault });
  return {};
}

function takeFault(call) {
  const meets = (one) => ['endpoint', 'account', 'grant_type'].every((name) => [undefined, null, call[name]].includes(one[name]));
  const planned = faults.find(meets);
  faults = faults.filter((one) => one !== planned);
  return planned;
}

function note(call, answer) {
  call.handled_at = now();
  call.outcome = 'issued';
  for (const kind of ['access_token', 'refresh_token']) {
    const expires = kind === 'access_token' ? now() + answer.expires_in : null;
    const token = { value: answer[kind], id: id(answer[kind]), kind, family: call.family, account: call.account, expires_at: expires };
    tokens.set(token.id, token);
    call.issued.push(token.id);
  }
}

async function logged(req, res) {
  let gone = null;
  let written = Infinity;
  // A client that has heard an answer keeps its connection. So one whose end is found just afterwards went before.
  req.socket.left = () => {
    if (looks[0] >= written) return;
    gone ??= looks[0];
    if (req.call) req.call.hung_up_at = gone;
  };
  res.on('close', () => {
    if (!res.writableFinished) req.socket.left();
    else if (gone === null) req.call.closed_at = now();
  });
  req.body = Object.fromEntries(new URLSearchParams(await read(req)));
  const call = begin(req, req.body);
  call.hung_up_at = gone;
  req.call = call;
  const fault = takeFault(call);
  call.fault = fault?.fault ?? null;
  if (fault?.fault === 'hang') { await sleep(fault.seconds * 1000); res.destroy(); return; }
  if (fault?.fault === 'late') await sleep(fault.seconds * 1000);
  const end_ = res.end.bind(res);
  res.end = (...answer) => {
    // Some time always passes between what is decided and what is heard. Before the answer is written, the sockets are
    // read once more: it can be written to a client that has gone, too, and would be taken for one that was heard.
    sleep(fault?.fault === 'slow' ? fault.seconds * 1000 : Math.random() * 40).then(() => setImmediate(() => {
      written = now();
      end_(...answer);
    }));
    return res;
  };
  await provider.callback()(req, res);
}

const control = {
  'GET calls': (_, query) => calls.filter((one) => [...query].every(([name, value]) => String(one[name]) === value)),
  'GET grants': () => [...families.values()].map((one) => ({ slug, account: one.account, families: [one] })),
  'GET tokens': () => [...tokens.values()],
  'POST accepts': async ({ access_token: value }) => ({ accepts: (await provider.AccessToken.find(value)) !== undefined }),
  'POST faults': planFault,
  'DELETE faults': () => { faults = []; return {}; },
  'PUT settings': () => ({}),
  'POST grants/end': async ({ account }) => {
    for (const [grantId, family] of families) {
      if (family.account !== account || family.ended !== null) continue;
      for (const kind of ['AccessToken', 'RefreshToken']) await provider[kind].revokeByGrantId(grantId);
      await (await provider.Grant.find(grantId))?.destroy();
      end(grantId, 'user');
    }
    return {};
  },
};

const server = http.createServer(async (req, res) => {
  try {
    const url = new URL(req.url, 'http://localhost');
    if (url.pathname.startsWith('/_control/')) {
      const text = await read(req);
      const answer = await control[`${req.method} ${url.pathname.slice(10)}`](text ? JSON.parse(text) : {}, url.searchParams);
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify(answer));
    } else if (url.pathname.startsWith('/interaction/')) {
      await interact(req, res);
    } else if (['/token', '/token/revocation'].includes(url.pathname)) {
      await logged(req, res);
    } else {
      await provider.callback()(req, res);
    }
  } catch (fault) {
    console.error(fault);
    res.statusCode = 500;
    res.end();
  }
});
server.on('connection', (socket) => {
  for (const event of ['end', 'close']) socket.on(event, () => socket.left?.());
});
server.keepAliveTimeout = 60000;
server.listen(Number(port), '127.0.0.1');
