// Vendors' own JavaScript SDKs behind one HTTP server on loopback: `node node_verifiers.cjs FOLDER`, where FOLDER holds
// node_modules. Orders, answer and statuses are those of python_verifiers.py. Nothing here looks at a signature.
"use strict";
const http = require("node:http");
const https = require("node:https");
const { EventEmitter } = require("node:events");
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const load = createRequire(path.join(process.argv[2], "package.json"));

// sns-validator fetches the certificate itself. There is no network here: what it would get is a part of the orders.
let certificate = "";
https.get = (url, done) => {
  const answer = Object.assign(new EventEmitter(), { statusCode: 200 });
  process.nextTick(() => {
    done(answer);
    answer.emit("data", Buffer.from(certificate));
    answer.emit("end");
  });
  return new EventEmitter();
};

console.log = () => {}; // Rivet prints whole requests; standard output is for the one line of this server

const web = (got) => new Request(got.url, { method: "POST", headers: got.headers, body: got.body });

function tern(platform) {
  return async (got) => {
    const { WebhookVerificationService } = load("@hookflo/tern");
    const said = await WebhookVerificationService.verifyWithPlatformConfig(web(got), platform, got.secret, 300);
    if (!said.isValid) throw new Error(said.error);
    return true;
  };
}

const SDKS = {
  stripe: ["stripe", (got) =>
    load("stripe").webhooks.constructEvent(got.body, got.headers["stripe-signature"], got.secret)],
  svix: ["svix", (got) => (new (load("svix").Webhook)(got.secret).verify(got.text, got.headers), true)],
  standardwebhooks: ["standardwebhooks", (got) =>
    (new (load("standardwebhooks").Webhook)(got.secret).verify(got.text, got.headers), true)],
  twilio: ["twilio", (got) => load("twilio/lib/webhooks/webhooks").validateRequest(
    got.secret, got.headers["x-twilio-signature"], got.url, Object.fromEntries(new URLSearchParams(got.text)))],
  "twilio-json": ["twilio", (got) => load("twilio/lib/webhooks/webhooks").validateRequestWithBody(
    got.secret, got.headers["x-twilio-signature"], got.url, got.text)],
  "discord-interactions": ["discord-interactions", (got) => load("discord-interactions").verifyKey(
    got.body, got.headers["x-signature-ed25519"], got.headers["x-signature-timestamp"], got.secret)],
  "@octokit/webhooks": ["@octokit/webhooks", async (got) => {
    const hooks = new (load("@octokit/webhooks").Webhooks)({ secret: got.secret });
    await hooks.verifyAndReceive({
      id: got.headers["x-github-delivery"], name: got.headers["x-github-event"],
      payload: got.text, signature: got.headers["x-hub-signature-256"],
    });
    return true;
  }],
  "@slack/bolt": ["@slack/bolt", (got) => {
    const headers = { ...got.headers, "x-slack-request-timestamp": Number(got.headers["x-slack-request-timestamp"]) };
    load("@slack/bolt").verifySlackRequest({ signingSecret: got.secret, body: got.text, headers });
    return true;
  }],
  "@mux/mux-node": ["@mux/mux-node", async (got) => {
    const mux = new (load("@mux/mux-node").default)({ tokenId: "fake", tokenSecret: "fake", webhookSecret: got.secret });
    await mux.webhooks.verifySignature(got.text, got.headers, got.secret);
    return true;
  }],
  "@paddle/paddle-node-sdk": ["@paddle/paddle-node-sdk", (got) => {
    const paddle = new (load("@paddle/paddle-node-sdk").Paddle)("fake");
    return paddle.webhooks.isSignatureValid(got.text, got.secret, got.headers["paddle-signature"]);
  }],
  "@shopify/shopify-api": ["@shopify/shopify-api", async (got) => {
    load("@shopify/shopify-api/adapters/node");
    const { shopifyApi, ApiVersion } = load("@shopify/shopify-api");
    const shopify = shopifyApi({
      apiKey: "fake", apiSecretKey: got.secret, hostName: "localhost", isEmbeddedApp: false,
      apiVersion: Object.values(ApiVersion).at(-2), logger: { log: () => {} },
    });
    const said = await shopify.webhooks.validate({ rawBody: got.text, rawRequest: got.request, rawResponse: got.answer });
    if (!said.valid) throw new Error(said.reason);
    return true;
  }],
  "@linear/sdk": ["@linear/sdk", (got) => {
    const client = new (load("@linear/sdk/webhooks").LinearWebhookClient)(got.secret);
    const stamp = JSON.parse(got.text).webhookTimestamp;
    return client.verify(got.body, got.headers["linear-signature"], stamp);
  }],
  "@workos-inc/node": ["@workos-inc/node", async (got) => {
    const client = new (load("@workos-inc/node").WorkOS)("fake", { clientId: "fake" });
    return client.webhooks.verifyHeader({
      payload: JSON.parse(got.text), sigHeader: got.headers["workos-signature"], secret: got.secret,
    });
  }],
  "livekit-server-sdk": ["livekit-server-sdk", async (got) => {
    const receiver = new (load("livekit-server-sdk").WebhookReceiver)(got.facts.api_key, got.secret);
    await receiver.receive(got.text, got.headers.authorization);
    return true;
  }],
  "@notionhq/client": ["@notionhq/client", (got) => load("@notionhq/client").verifyWebhookSignature(
    { body: got.body, signature: got.headers["x-notion-signature"], verificationToken: got.secret })],
  "@sendgrid/eventwebhook": ["@sendgrid/eventwebhook", (got) => {
    const hook = new (load("@sendgrid/eventwebhook").EventWebhook)();
    const name = "x-twilio-email-event-webhook-";
    return hook.verifySignature(
      hook.convertPublicKeyToECDSA(got.secret), got.body, got.headers[`${name}signature`], got.headers[`${name}timestamp`]);
  }],
  "coinbase-commerce-node": ["coinbase-commerce-node", (got) => Boolean(load("coinbase-commerce-node").Webhook
    .verifyEventBody(got.text, got.headers["x-cc-webhook-signature"], got.secret))],
  "sns-validator": ["sns-validator", (got) => new Promise((resolve, reject) => {
    certificate = got.secret;
    new (load("sns-validator"))().validate(JSON.parse(got.text), (error) => (error ? reject(error) : resolve(true)));
  })],
  "sns-validator-sha256": ["sns-validator", (got) => SDKS["sns-validator"][1](got)],
  grammy: ["grammy", async (got) => {
    const { Bot, webhookCallback } = load("grammy");
    const me = { id: 1, is_bot: true, first_name: "fake", username: "fake_bot" };
    const answer = await webhookCallback(new Bot("1:fake", { botInfo: me }), "std/http", { secretToken: got.secret })(web(got));
    return answer.status === 200;
  }],
  "@hubspot/api-client": ["@hubspot/api-client", (got) => load("@hubspot/api-client").Signature.isValid({
    method: "POST", signatureVersion: "v3", clientSecret: got.secret, requestBody: got.text, url: got.url,
    signature: got.headers["x-hubspot-signature-v3"] ?? "",
    timestamp: Number(got.headers["x-hubspot-request-timestamp"]),
  })],
  "hubspot-v2": ["@hubspot/api-client", (got) => load("@hubspot/api-client").Signature.isValid({
    method: "POST", signatureVersion: "v2", clientSecret: got.secret, requestBody: got.text, url: got.url,
    signature: got.headers["x-hubspot-signature"] ?? "",
  })],
  "@zoom/rivet": ["@zoom/rivet", async (got) => {
    const { AwsLambdaReceiver, UsersS2SAuthClient } = load("@zoom/rivet/users");
    const webhooksSecretToken = got.secret;
    const receiver = new AwsLambdaReceiver({ webhooksSecretToken });
    const options = { clientId: "fake", clientSecret: "fake", accountId: "fake", webhooksSecretToken, receiver };
    const handle = await new UsersS2SAuthClient(options).start();
    const answer = await handle({ body: got.text, headers: got.headers, isBase64Encoded: false }, {});
    if (answer.statusCode !== 200) throw new Error(answer.body);
    return true;
  }],
  "gocardless-nodejs": ["gocardless-nodejs", (got) =>
    (load("gocardless-nodejs").parse(got.text, got.secret, got.headers["webhook-signature"]), true)],
  razorpay: ["razorpay", (got) =>
    load("razorpay").validateWebhookSignature(got.text, got.headers["x-razorpay-signature"], got.secret)],
  "tern github": ["@hookflo/tern", tern("github")],
  "tern sentry": ["@hookflo/tern", tern("sentry")],
  "tern woocommerce": ["@hookflo/tern", tern("woocommerce")],
  "tern doppler": ["@hookflo/tern", tern("doppler")],
  "tern shopify": ["@hookflo/tern", tern("shopify")],
  "tern gitlab": ["@hookflo/tern", tern("gitlab")],
};

function version(name) {
  for (const folder of load.resolve.paths(name)) {
    try {
      return `${name} ${JSON.parse(require("node:fs").readFileSync(path.join(folder, name, "package.json"))).version}`;
    } catch {
      continue;
    }
  }
  return undefined;
}

async function answer(orders, request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const name = decodeURIComponent(request.url.split("?")[0].slice(1));
  const got = {
    headers: request.headers, body, text: body.toString(), url: `http://${request.headers.host}${request.url}`,
    secret: orders.secrets[name], facts: orders.facts[name] ?? {}, request, answer: response,
  };
  let accepted = false;
  let reason = "false";
  try {
    accepted = Boolean(await SDKS[name][1](got));
  } catch (error) {
    reason = `${error?.name}: ${error?.message}`;
  }
  response.writeHead(accepted ? 204 : 400);
  response.end(accepted ? undefined : JSON.stringify({ refused: reason }));
}

readline.createInterface({ input: process.stdin }).once("line", (line) => {
  const orders = JSON.parse(line);
  const versions = {};
  const missing = {};
  for (const [name, [packageName]] of Object.entries(SDKS)) {
    const found = version(packageName);
    if (found === undefined) missing[name] = `${packageName} is not installed`;
    else versions[name] = found;
  }
  const server = http.createServer((request, response) => answer(orders, request, response));
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ port: server.address().port, versions, missing })}\n`);
  });
}).on("close", () => process.exit(0));
