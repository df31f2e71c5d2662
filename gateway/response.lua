-- Turns the transcoder's JSON of a response message into what REST shows.
local json = require("json")
local timestamp = require("timestamp")

local byte, sub = string.byte, string.sub

-- The answer being written; as in the request, nothing here yields.
local text

-- By kind of field: the REST text of one value and the position behind it; nil when it counts as unset.
local writers = {}

local function opaque(_, pos)
  local stop = json.skip(text, pos, math.huge)
  return sub(text, pos, stop - 1), stop
end

for _, kind in ipairs({ "string", "bool", "int32", "struct", "list" }) do writers[kind] = opaque end

function writers.value(_, pos)
  local value, stop = opaque(_, pos)
  return value ~= "null" and value or nil, stop
end

function writers.double(_, pos)
  local value, stop = opaque(_, pos)
  -- NaN and the infinities are written as texts, which REST's readers of numbers do not expect.
  if byte(value) == 34 then return "null", stop end
  -- To some readers a number without a point is an integer.
  return value:find("^-?%d+$") and value .. ".0" or value, stop
end

function writers.timestamp(_, pos)
  local value, stop = opaque(_, pos)
  return timestamp.to_rest(value), stop
end

function writers.enum(field, pos)
  local value, stop = opaque(field, pos)
  local name = field.enum.by_proto[sub(value, 2, -2)]
  return name and '"' .. name .. '"', stop
end

local function write_list(field, pos, nulls)
  local pieces = {}
  local stop = json.each_element(text, pos, function(index, at)
    local value, after = writers[field.kind](field, at, nulls)
    pieces[index + 1] = value or "null"
    return after
  end)
  return "[" .. table.concat(pieces, ",") .. "]", stop
end

local function write_map(field, pos, nulls)
  local pieces = {}
  local stop = json.each_member(text, pos, function(key, at)
    local value, after = writers[field.kind](field, at, nulls)
    table.insert(pieces, json.quote(key) .. ":" .. (value or "null"))
    return after
  end)
  return "{" .. table.concat(pieces, ",") .. "}", stop
end

-- A list of `key=value` texts, as the object that they came from.
local function write_pairs(_, pos)
  local pieces = {}
  local stop = json.each_element(text, pos, function(_, at)
    local after = json.string_end(text, at)
    local key, value = json.unquote(text, at, after):match("^([^=]*)=?(.*)$")
    table.insert(pieces, json.quote(key) .. ":" .. json.quote(value))
    return after
  end)
  return "{" .. table.concat(pieces, ",") .. "}", stop
end

-- The names of a path that has a `\` before a name's own `.`, `=` and `\`, and what follows its `=`.
local function split_member(entry)
  local names, name, pos = {}, "", 1
  while true do
    local stop = entry:find("[\\.=]", pos) or #entry + 1
    local mark = sub(entry, stop, stop)
    name = name .. sub(entry, pos, stop - 1)
    pos = stop + 1
    if mark == "\\" then
      name, pos = name .. sub(entry, pos, pos), pos + 1
    else
      table.insert(names, name)
      name = ""
      if mark ~= "." then return names, sub(entry, pos) end
    end
  end
end

-- A tree of texts in JSON, its names in the order that they came in. Where there are names, these count.
local function write_tree(tree)
  local pieces = {}
  if #tree.names > 0 then
    for i, name in ipairs(tree.names) do pieces[i] = json.quote(name) .. ":" .. write_tree(tree.below[name]) end
    return "{" .. table.concat(pieces, ",") .. "}"
  end
  for i, value in ipairs(tree.texts) do pieces[i] = json.quote(value) end
  return #pieces == 1 and pieces[1] or "[" .. table.concat(pieces, ",") .. "]"
end

-- A list of `path=text`, as the object that they came from.
local function write_members(_, pos)
  local function leaf() return { names = {}, below = {}, texts = {} } end
  local root = leaf()
  local stop = json.each_element(text, pos, function(_, at)
    local after = json.string_end(text, at)
    local names, value = split_member(json.unquote(text, at, after))
    local tree = root
    for _, name in ipairs(names) do
      if not tree.below[name] then
        tree.below[name] = leaf()
        table.insert(tree.names, name)
      end
      tree = tree.below[name]
    end
    table.insert(tree.texts, value)
    return after
  end)
  return write_tree(root), stop
end

local function write_field(field, pos, nulls)
  if byte(text, pos) == 110 then return nil, pos + 4 end
  local write = field.members and write_members or field.pairs and write_pairs or field.repeated and write_list
    or field.map and write_map or writers[field.kind]
  local value, stop = write(field, pos, nulls)
  if field.empty_is_unset and (value == "[]" or value == "{}") then value = nil end
  return value, stop
end

local function write_message(message, pos, nulls)
  nulls = nulls or message.nulls
  local values = {}
  local stop = json.each_member(text, pos, function(name, at)
    local field = message.by_name[name]
    local value, after = write_field(field, at, nulls)
    -- Two fields may have one key: the one that is unset does not hide the other.
    if value then values[field.key] = value end
    return after
  end)
  local pieces = {}
  for _, key in ipairs(message.keys) do
    local field, value = message.by_key[key], values[key]
    if not value and (field.unset == "null" or (nulls and field.unset ~= "omit")) then value = "null" end
    if value then table.insert(pieces, '"' .. key .. '":' .. value) end
  end
  return "{" .. table.concat(pieces, ",") .. "}", stop
end

function writers.message(field, pos, nulls)
  return write_message(field.message, pos, nulls)
end

local response = {}

-- The REST text of a whole answer.
function response.to_rest(message, body)
  text = body
  local ok, result = pcall(write_message, message, 1, false)
  text = nil
  if not ok then error(type(result) == "table" and result.msg or result, 0) end
  return result
end

return response
