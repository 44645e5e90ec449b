import { createHash } from 'node:crypto';

export interface Script {
  readonly source: string;
  readonly sha: string;
}

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/** Characters of a version's hard part; what follows is its soft part. */
export const HARD_LENGTH = 16;
/** A tag that nobody reads for so long has another version afterwards, so no entry lives longer. */
export const VERSION_MS = 7 * 86_400_000;
export const LEASE_MS = 10_000;

const NOW = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end`;

/**
 * What Redis calls a history: another one begins with each start of a master, and with each replica that takes the place of
 * its master. It may have lost the last that was acknowledged in the one before.
 */
const HISTORY = `
local function history()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or ''
end`;

/** KEYS: the version of a tag. ARGV: a new version, milliseconds. The version; where there is none, the new one. */
export const MINT = script(`
local version = redis.call('GET', KEYS[1])
if version then return version end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`);

/**
 * The same in a cluster, where each node may come back with old data, or give way to a replica that lacks the last: a
 * version carries the history that it was drawn in, and in another one it is unknown. So is one whose slot was moved.
 */
export const MINT_APART = script(`${HISTORY}
local mark, version = '@' .. string.sub(history(), 1, ${HARD_LENGTH}), redis.call('GET', KEYS[1])
if version and string.sub(version, -#mark) == mark then return string.sub(version, 1, -#mark - 1) end
redis.call('SET', KEYS[1], ARGV[1] .. mark, 'PX', ARGV[2])
return ARGV[1]`);

/** KEYS: lease. ARGV: id, milliseconds, versions. A lease for other versions is for a load that is stale by now. */
export const TAKE_LEASE = script(`
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, ${HARD_LENGTH + 1}) == ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[3], 'PX', ARGV[2])
return 1`);

/** KEYS: lease. ARGV: id, milliseconds for which it is left. */
export const RELEASE = script(`
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, ${HARD_LENGTH}) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0`);

/**
 * An entry and the versions of its tags in one round trip, for one Redis alone. All that it takes is one text, since each
 * argument costs its client as much as the key: by lines, whether the lease is wanted in any case, an id that becomes
 * lease or version, prefix of the keys, key of everything's version, key, tags.
 * Gives entry or false, 2 if it is valid or 1 if it was softly invalidated, its milliseconds left, hard versions, soft
 * versions, 1 with the lease. Memory that is full gives no versions: an unknown version never makes an entry valid.
 */
export const READ = script(`
local given = {}
for line in string.gmatch(ARGV[1], '[^\\n]+') do given[#given + 1] = line end
local id, prefix = given[2], given[3]
local hards, softs = {}, {}
for i = 4, #given do
  if i ~= 5 then
    local name = i == 4 and given[4] or prefix .. ':v:' .. given[i]
    local version = redis.call('GET', name)
    if not version then
      version = id
      local set = redis.pcall('SET', name, version, 'PX', ${VERSION_MS})
      if type(set) == 'table' and set.err then return { false, 0, 0, false, false, 1 } end
    end
    hards[#hards + 1] = string.sub(version, 1, ${HARD_LENGTH})
    softs[#softs + 1] = string.sub(version, ${HARD_LENGTH + 1})
  end
end
local hard, soft = table.concat(hards, ','), table.concat(softs, ',')
local entry, state, left, fresh = redis.call('GET', prefix .. ':e3:' .. given[5]), 0, 0, false
if entry then
  local same = '{"hard":"' .. hard .. '","soft":"'
  if string.sub(entry, 1, #same) == same then
    left = redis.call('PTTL', prefix .. ':e3:' .. given[5])
    local all = soft .. '","numbers":['
    state = string.sub(entry, #same + 1, #same + #all) == all and 2 or 1
    local stale = state == 2 and tonumber(string.match(entry, '^%d+', #same + #all + 1))
    fresh = stale and left > stale
  else
    entry = false
  end
end
local lease = 0
if not fresh or given[1] == '1' then
  local versions, name = hard .. ';' .. soft, prefix .. ':l:' .. given[5]
  local held = redis.call('GET', name)
  if not held or string.sub(held, ${HARD_LENGTH + 1}) ~= versions then
    redis.pcall('SET', name, id .. versions, 'PX', ${LEASE_MS})
    lease = 1
  end
end
return { entry, state, left, hard, soft, lease }`);

/**
 * KEYS: the version of a tag, in a cluster. ARGV: 'hard' or 'soft', a new soft part. To forget a version needs no memory, and
 * whoever needs it next draws a new one.
 */
export const INVALIDATE = script(`
local version = ARGV[1] == 'soft' and redis.call('GET', KEYS[1])
if version then
  local mark = string.match(version, '@.*$') or ''
  local set = redis.pcall('SET', KEYS[1], string.sub(version, 1, ${HARD_LENGTH}) .. ARGV[2] .. mark, 'KEEPTTL')
  if type(set) == 'table' and set.err then redis.call('DEL', KEYS[1]) end
elseif ARGV[1] == 'hard' then
  redis.call('DEL', KEYS[1])
end
return 0`);

/**
 * KEYS: registry, alive, history; versions. ARGV: 'hard' or 'soft', a new soft part, channel, message, prefix of beats,
 * milliseconds. Invalidates, tells everybody, and gives whom to wait for: whether the registry may be incomplete, then each
 * replica and when its last beat runs out.
 */
export const ANNOUNCE = script(`${NOW}${HISTORY}
for i = 4, #KEYS do
  local version = ARGV[1] == 'soft' and redis.call('GET', KEYS[i])
  if version then
    local set = redis.pcall('SET', KEYS[i], string.sub(version, 1, ${HARD_LENGTH}) .. ARGV[2], 'KEEPTTL')
    if type(set) == 'table' and set.err then redis.call('DEL', KEYS[i]) end
  elseif ARGV[1] == 'hard' then
    redis.call('DEL', KEYS[i])
  end
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
local at, born = now(), redis.call('ZSCORE', KEYS[1], '#born')
local age = born and at - tonumber(born) or -1
local same = redis.call('EXISTS', KEYS[2]) == 1 and redis.call('GET', KEYS[3]) == history()
local answer = { (age < tonumber(ARGV[6]) or not same) and 1 or 0 }
for _, replica in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if replica ~= '#born' then
    local left = redis.call('PTTL', ARGV[5] .. replica)
    answer[#answer + 1] = replica
    answer[#answer + 1] = left < 0 and -1 or at + left
  end
end
return answer`);

/**
 * One beat of a replica: it is registered, it hears itself by its own subscription, and if nobody was there for a while,
 * or this is another history than before, all entries are void: nobody can vouch for them. It is told what time it is there,
 * and which process that is.
 * KEYS: registry, own beat, alive, version of everything, history. ARGV: replica, milliseconds of alive, of the beat, own
 * channel, number. Gives 0 where memory is full and it cannot be registered.
 */
export const BEAT = script(`${NOW}${HISTORY}
local function failed(answer) return type(answer) == 'table' and answer.err end
local ours = history()
local known = redis.call('PEXPIRE', KEYS[3], ARGV[2]) == 1 and redis.call('GET', KEYS[5]) == ours
local born = redis.call('ZSCORE', KEYS[1], '#born')
if not known or not born then
  redis.call('DEL', KEYS[4])
  born = now()
  if failed(redis.pcall('ZADD', KEYS[1], born, '#born')) then return 0 end
  if failed(redis.pcall('SET', KEYS[3], '1', 'PX', ARGV[2])) then return 0 end
  if failed(redis.pcall('SET', KEYS[5], ours)) then return 0 end
end
if redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 0 and failed(redis.pcall('SET', KEYS[2], '1', 'PX', ARGV[3])) then
  return 0
end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) and failed(redis.pcall('ZADD', KEYS[1], 0, ARGV[1])) then
  return 0
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
redis.call('PUBLISH', ARGV[4], 'b:' .. ARGV[5] .. ':' .. born .. ':' .. now() .. ':' .. run)
return 1`);

/**
 * Strikes replicas off that have not beaten since an announcement: whoever has, is there. KEYS: registry. ARGV: prefix of
 * beats; each replica and when its last beat ran out then.
 */
export const STRIKE = script(`${NOW}
local at = now()
for i = 2, #ARGV, 2 do
  local left, before = redis.call('PTTL', ARGV[1] .. ARGV[i]), tonumber(ARGV[i + 1])
  if (left < 0 and before < 0) or (left >= 0 and at + left <= before + 5) then redis.call('ZREM', KEYS[1], ARGV[i]) end
end
return 0`);

/** KEYS: registry, own beat. ARGV: replica. */
export const LEAVE = script(`
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 0`);
