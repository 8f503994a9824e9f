// Checks the token of a request and sends it on by the jurisdiction that it claims. The same rules as fedsov's own check
// (fedsov/inference/tokens/token_check.py), which the region's endpoint applies again. `table.js` is written by `fedsov gateway render`.
// For njs 0.7.9 and later.
import table from 'table.js';

const PATH = new RegExp('^' + table.paths + '(\\?.*)?$');
const FORM = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const ALGORITHMS = {
    RS256: {imported: {name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256'}, verified: {name: 'RSASSA-PKCS1-v1_5'}},
    ES256: {imported: {name: 'ECDSA', namedCurve: 'P-256'}, verified: {name: 'ECDSA', hash: 'SHA-256'}},
};

function own(object, name) {
    // whatever else every object has (constructor, __proto__) is no entry of the table
    return typeof name === 'string' && Object.prototype.hasOwnProperty.call(object, name) ? object[name] : undefined;
}

function refuse(r, status, why) {
    r.headersOut['Content-Type'] = 'application/json';
    if (status == 401) {
        r.headersOut['WWW-Authenticate'] = 'Bearer';
    }
    r.return(status, JSON.stringify({error: why}));
}

function bearer(r) {
    const values = r.rawHeadersIn.filter((pair) => pair[0].toLowerCase() === 'authorization').map((pair) => pair[1]);
    if (values.length > 1) {
        throw [400, 'two Authorization headers'];
    }
    const written = values.length ? values[0].match(/^bearer +([^ ]+)$/i) : null;
    if (!written || !FORM.test(written[1])) {
        throw [401, 'the request has no bearer token'];
    }
    return written[1].split('.');
}

function read(word) {
    const plain = JSON.parse(Buffer.from(word, 'base64url').toString());
    if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
        throw [401, 'the token is no signed JSON web token'];
    }
    return plain;
}

async function isSigned(parts, key) {
    const algorithm = ALGORITHMS[key.algorithm];
    const spki = Buffer.from(key.spki, 'base64');
    const imported = await crypto.subtle.importKey('spki', spki, algorithm.imported, false, ['verify']);
    const signature = Buffer.from(parts[2], 'base64url');
    return crypto.subtle.verify(algorithm.verified, imported, signature, Buffer.from(parts[0] + '.' + parts[1]));
}

function isNumber(value) {
    return typeof value === 'number' && isFinite(value);
}

function checkClaims(claims, issuer, now) {
    const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
    if (!audiences.some((name) => name === issuer.audience)) {
        throw [401, 'the token is for another audience'];
    }
    if (!isNumber(claims.exp) || now >= claims.exp + table.leeway) {
        throw [401, 'the token has expired, or does not say when it ends'];
    }
    if (claims.exp - now > issuer.longest + table.leeway) {
        throw [401, 'the token lives longer than its issuer may allow'];
    }
    if (claims.nbf !== undefined && (!isNumber(claims.nbf) || now < claims.nbf - table.leeway)) {
        throw [401, 'the token is not valid yet'];
    }
}

async function chain(r) {
    // The code that the token claims, and the chain of regions that may serve it.
    if (!PATH.test(r.variables.request_uri)) {
        throw [400, 'the path is not plain'];
    }
    const parts = bearer(r);
    const head = read(parts[0]);
    const claims = read(parts[1]);
    const issuer = own(table.issuers, claims.iss);
    const key = issuer && own(issuer.keys, head.kid);
    if (!key || head.alg !== key.algorithm || head.crit !== undefined || !(await isSigned(parts, key))) {
        throw [401, 'the token is not signed by a key of an issuer in the table'];
    }
    checkClaims(claims, issuer, Date.now() / 1000);
    const code = own(issuer.words, own(claims, issuer.claim));
    if (code === undefined) {
        throw [451, 'no region may serve this jurisdiction'];
    }
    return [code, table.chains[code]];
}

async function route(r) {
    if (['GET', 'HEAD', 'POST'].indexOf(r.method) < 0) {
        refuse(r, 405, 'GET and POST are answered here');
        return;
    }
    let found;
    try {
        found = await chain(r);
    } catch (refusal) {
        // what is no refusal of ours is an exception of a parser: the token is none
        const known = Array.isArray(refusal) ? refusal : [401, 'the token is no signed JSON web token'];
        refuse(r, known[0], known[1]);
        return;
    }
    r.variables.jurisdiction = found[0];
    r.internalRedirect('@to_' + found[1] + '_0');
}

export default {route};
