"""The scripts for edge networks in the how-to: run with the attacks on tokens, they send nothing anywhere wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.inference.token_attacks import PREDICT, TOKEN_ATTACKS, TokenWorld
from tests.world import ROOT

PAGE = (ROOT / "docs" / "how-to" / "gateways.md").read_text()
CASES_OF = {
    "lambda-edge.mjs": """
import {handler} from './lambda-edge.mjs';
import {readFileSync} from 'node:fs';
const answers = [];
for (const [path, authorization] of JSON.parse(readFileSync('cases.json'))) {
  const headers = {'x-jurisdiction': [{key: 'X-Jurisdiction', value: 'US'}]};
  if (authorization.length) headers.authorization = authorization.map((value) => ({key: 'Authorization', value}));
  const answer = await handler({Records: [{cf: {request: {uri: path, headers}}}]});
  const code = answer.origin && answer.headers['x-jurisdiction'][0].value;
  answers.push(answer.origin ? [answer.origin.custom.domainName, code] : [answer.status]);
}
console.log(JSON.stringify(answers));
""",
    "worker.mjs": """
import worker from './worker.mjs';
import {readFileSync} from 'node:fs';
const answers = [];
globalThis.fetch = async (request) => {
  const {host} = new URL(request.url);
  return new Response(JSON.stringify([host, request.headers.get('x-jurisdiction')]));
};
for (const [path, authorization] of JSON.parse(readFileSync('cases.json'))) {
  const headers = new Headers({'x-jurisdiction': 'US'});
  authorization.forEach((value) => headers.append('authorization', value));
  const answer = await worker.fetch(new Request(`https://gateway.example${path}`, {method: 'POST', headers}));
  answers.push(answer.status === 200 ? await answer.json() : [String(answer.status)]);
}
console.log(JSON.stringify(answers));
""",
}


def authorization_of(raw: bytes) -> list[str]:
    head = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return [line[15:] for line in head if line.lower().startswith("authorization: ")]


@pytest.mark.parametrize("name", CASES_OF)
def test_an_edge_script_sends_true_tokens_home_and_attacks_nowhere(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None, "node is not installed; scripts/test installs it (apt-get install nodejs)"
    world = TokenWorld.new()
    (script,) = re.findall(rf"```js\n(// {re.escape(name)}\n.*?)```", PAGE, re.DOTALL)
    keys = {jwk["kid"]: jwk for jwk in json.loads(world.jwks())["keys"]}
    (tmp_path / name).write_text(re.sub(r"keys: \{/\*.*?\*/\}", f"keys: {json.dumps(keys)}", script))
    true = {"DE": "de.example", "FR": "de.example", "US": "us.example"}
    cases = [(PREDICT, [f"Bearer {token}"]) for code in true for token in (world.token(code), world.es256(code))]
    attacks = [(PREDICT, authorization_of(attack.raw(world))) for attack in TOKEN_ATTACKS]
    paths = [("//v1/models", cases[0][1]), ("/metrics", cases[0][1]), ("/v1/models/%252e%252e/metrics", cases[0][1])]
    (tmp_path / "cases.json").write_text(json.dumps([*cases, *attacks, *paths]))
    (tmp_path / "run.mjs").write_text(CASES_OF[name])
    done = subprocess.run([node, "run.mjs"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers[:6] == [[host, code] for code, host in true.items() for _ in range(2)]
    refused = dict(zip([attack.name for attack in TOKEN_ATTACKS], answers[6:], strict=False))
    assert {word: answer for word, answer in refused.items() if answer[0] not in ("400", "401", "451")} == {}
    assert answers[-3:] == [["400"]] * 3
