-- Timestamps: REST writes them without a zone and with six digits, protobuf with a zone and as many as it needs.
local timestamp = {}

local DAYS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function exists(year, month, day, hour, minute, second)
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  local days = (month == 2 and leap) and 29 or DAYS[month]
  return year >= 1 and days and day >= 1 and day <= days and hour < 24 and minute < 60 and second < 60
end

-- As protobuf takes it, UTC when no zone is given; nil when it is no time.
function timestamp.to_proto(text)
  local date, rest = text:match("^(%d%d%d%d%-%d%d%-%d%d)(.*)$")
  if not date then return nil end
  if rest == "" then rest = "T00:00:00" end
  local clock, after = rest:match("^[Tt ](%d%d:%d%d:%d%d)(.*)$")
  if not clock then return nil end
  local fraction, zone = after:match("^(%.?%d*)(.*)$")
  if fraction == "." or #fraction > 10 or (fraction ~= "" and fraction:sub(1, 1) ~= ".") then return nil end
  if zone == "" or zone == "z" then zone = "Z" end
  if zone ~= "Z" then
    local hours, minutes = zone:match("^[+-](%d%d):(%d%d)$")
    if not hours or tonumber(hours) > 23 or tonumber(minutes) > 59 then return nil end
  end
  local year, month, day = date:match("(%d+)%-(%d+)%-(%d+)")
  local hour, minute, second = clock:match("(%d+):(%d+):(%d+)")
  local parts = { year, month, day, hour, minute, second }
  for i, part in ipairs(parts) do parts[i] = tonumber(part) end
  return exists(unpack(parts)) and date .. "T" .. clock .. fraction .. zone or nil
end

-- As REST shows it, from the quoted text that the transcoder wrote.
function timestamp.to_rest(quoted)
  local seconds, fraction = quoted:match('^"([^.Z]*)%.?(%d*)Z"$')
  if not seconds then return quoted end
  return '"' .. seconds .. "." .. (fraction .. "000000"):sub(1, 6) .. '"'
end

return timestamp
