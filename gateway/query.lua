-- Turns a REST query into the transcoder's: brackets become field paths, and one value with commas several.
local json = require("json")
local schema = require("schema")

local INT32 = 2147483648
-- No field lies deeper.
local MAX_KEYS = 16

local function decode(text)
  text = text:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
  return text
end

local function encode(text)
  return (text:gsub("[^%w%-._~/]", function(char) return string.format("%%%02X", char:byte()) end))
end

local function refuse(path, kind, message)
  error({ loc = { "query", unpack(path) }, msg = message, type = kind }, 0)
end

-- `filter[a][b]` and `filter.a.b` as { "filter", "a", "b" }. A list may be marked by `[]` at its end. What is in
-- brackets is one name, with any dots.
local function split(name)
  local path = {}
  for bracket, part in name:gmatch("(%[?)([^%[%]]+)") do
    if bracket == "[" then table.insert(path, part)
    else
      for plain in part:gmatch("[^.]+") do table.insert(path, plain) end
    end
  end
  return path
end

-- By kind of field: one text value as the transcoder takes it, or what is wrong with it.
local writers = {}

function writers.string(_, value) return value end

function writers.bool(_, value)
  if value == "true" or value == "false" then return value end
  return nil, "bool_parsing", "Input should be true or false"
end

function writers.int32(_, value)
  local number = value:find("^[+-]?%d+$") and tonumber(value)
  if number and number >= -INT32 and number < INT32 then return string.format("%d", number) end
  return nil, "int_parsing", "Input should be a valid integer"
end

function writers.double(_, value)
  local number = value:find("^[%d.eE+-]+$") and tonumber(value)
  if number and number - number == 0 then return value end
  return nil, "float_parsing", "Input should be a valid number"
end

function writers.enum(field, value)
  local name = field.enum.by_rest[value]
  if name then return name end
  return nil, "enum", "Input should be one of " .. table.concat(field.enum.names, ", ")
end

-- The field that a path of keys leads to, its path of names, and the keys left over.
local function resolve(method, path)
  local message, names, field = method.query, {}, nil
  for i, key in ipairs(path) do
    field = message.by_key[key]
    if not field then
      local what = i == 1 and "query parameter" or "field"
      refuse({ unpack(path, 1, i) }, "extra_forbidden", schema.unknown(what, key, message.keys))
    end
    if field.kind == "either" then field = i == #path and field.text or field.object end
    table.insert(names, field.name)
    if field.kind ~= "message" then return field, table.concat(names, "."), { unpack(path, i + 1) } end
    message = field.message
  end
  return field, table.concat(names, "."), {}
end

-- The path of a member inside a field, as one text.
local function member_path(keys)
  local names = {}
  for i, key in ipairs(keys) do names[i] = key:gsub("[\\.=]", "\\%0") end
  return table.concat(names, ".")
end

-- The values that one parameter gives: those of a list may be joined by commas. An entry of a map is one text.
local function values(field, value, keys)
  if field.pairs then return { #keys > 0 and table.concat(keys, ".") .. "=" .. value or value } end
  if not field.repeated then return { value } end
  local parts, before = {}, field.members and member_path(keys) .. "=" or ""
  for part in value:gmatch("[^,]+") do table.insert(parts, before .. part) end
  return parts
end

-- Adds one parameter, as one or more, to the list `out`.
local function add(method, path, value, out, seen)
  if #path > MAX_KEYS then refuse({ path[1] }, "extra_forbidden", "Too many keys") end
  local field, name, keys = resolve(method, path)
  local write = writers[field.kind]
  if not write or field.map or (#keys > 0 and not (field.pairs or field.members)) then
    refuse(path, "extra_forbidden", schema.unknown("query parameter", table.concat(path, "."), {}))
  end
  if seen[name] and not field.repeated then refuse(path, "duplicate_key", "The parameter is given twice") end
  -- A field and what lies inside it are one key, which an answer repeats with the one or the other.
  local key = name:gsub("[^.]+$", field.key)
  if (seen[key] or name) ~= name then refuse(path, "duplicate_key", "Give the parameter or its members, not both") end
  seen[name], seen[key] = name, name
  for _, part in ipairs(values(field, value, keys)) do
    local written, kind, message = write(field, part)
    if not written then refuse(path, kind, message) end
    table.insert(out, name .. "=" .. encode(written))
  end
end

local query = {}

-- A path with one more parameter for the transcoder, unless the method has none of that name or the caller gave it.
function query.with(method, path, name, value)
  if not method.query.by_key[name] or path:find("[?&]" .. name .. "=") then return path end
  return path .. (path:find("?", 1, true) and "&" or "?") .. name .. "=" .. encode(value)
end

-- The query for the transcoder, or nil and what is wrong with the caller's.
function query.to_proto(method, text)
  local out, seen = {}, {}
  local ok, problem = pcall(function()
    for parameter in text:gmatch("[^&]+") do
      local name, value = parameter:match("^([^=]*)=?(.*)$")
      name, value = decode(name), decode(value)
      local path = split(name)
      if not json.is_utf8(name .. value) then refuse({}, "string_unicode", "The query is not UTF-8") end
      if #path > 0 then add(method, path, value, out, seen) end
    end
  end)
  if ok then return table.concat(out, "&") end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, problem
end

return query
