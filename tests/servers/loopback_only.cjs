// Preloaded into node: every server listens on 127.0.0.1, whatever its program asked for.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "number") {
    if (typeof rest[0] === "string" || rest[0] === undefined) rest.shift();
    return listen.call(this, first, "127.0.0.1", ...rest);
  }
  if (first && typeof first === "object" && first.port !== undefined) first = { ...first, host: "127.0.0.1" };
  return listen.call(this, first, ...rest);
};
