// What every TypeScript client does with the demo servers; `call` calls a tool and gives its result.
import assert from 'node:assert/strict';

/** Width and height of a PNG in Base64. */
export function pngSize(base64) {
  const bytes = Buffer.from(base64, 'base64');
  assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
  assert.equal(bytes.subarray(-8, -4).toString('latin1'), 'IEND');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

export async function lookAround(tools, call) {
  const names = ['list_servers', 'get_screenshot', 'read_console', 'wait_for_console', 'console_status',
    'release_console'];
  assert.deepEqual(tools.map((tool) => tool.name), names);

  const list = await call('list_servers', {});
  assert.deepEqual(JSON.parse(list.content[0].text), list.structuredContent.servers);
  assert.ok(list.structuredContent.servers.some((server) => server.id === 'demo-grub'));

  for (const [raw, size] of [[false, [1440, 800]], [true, [720, 400]]]) {
    const look = await call('get_screenshot', { serverId: 'demo-grub', raw });
    assert.deepEqual(look.content.map((block) => block.type), ['image', 'text']);
    assert.equal(look.content[0].mimeType, 'image/png');
    assert.deepEqual(pngSize(look.content[0].data), size);
    assert.match(look.content[1].text, /demo-grub/);
    assert.ok(!look.isError && look.structuredContent === undefined);
  }

  const region = { x: 0, y: 0, width: 90, height: 50 };
  const closer = await call('get_screenshot', { serverId: 'demo-grub', region });
  assert.deepEqual(pngSize(closer.content[0].data), [720, 400]);
  const [, ifChangedSince] = /^picture: (\S+),/m.exec(closer.content[1].text);
  const again = await call('get_screenshot', { serverId: 'demo-grub', ifChangedSince });
  assert.deepEqual(again.content.map((block) => block.type), ['text']);
  const status = await call('console_status', { serverId: 'demo-grub', ifChangedSince });
  assert.match(status.content[0].text, /changed since that picture: no/);
  const read = await call('read_console', { serverId: 'demo-grub' });
  assert.match(read.content[0].text, /GNU GRUB {2}version/);
  assert.match(read.structuredContent.text, /GNU GRUB {2}version/);
  const waited = await call('wait_for_console', { serverId: 'demo-grub', until: { regex: 'GRUB +version' } });
  assert.match(waited.content[0].text, /^Seen after .*GNU GRUB/);
  const wrong = await call('get_screenshot', { serverId: 'demo-grub', region: { x: 0 } });
  assert.ok(wrong.isError);
  const released = await call('release_console', { serverId: 'demo-grub' });
  assert.match(released.content[0].text, /closed and logged out/);

  const off = await call('get_screenshot', { serverId: 'demo-off' });
  assert.deepEqual(off.content.map((block) => block.type), ['text']);
  assert.ok(!off.isError);

  const unknown = await call('get_screenshot', { serverId: 'nowhere' });
  assert.ok(unknown.isError);
  assert.match(unknown.content[0].text, /no such server.*list_servers/s);
}
