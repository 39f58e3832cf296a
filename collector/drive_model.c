#include "collector/drive_model.h"

#include <math.h>

#define MADE_UP "made up: "

enum drive_index {
    ENGINE_RPM,
    VEHICLE_SPEED,
    COOLANT_TEMP,
    OIL_TEMP,
    OIL_PRESSURE,
    FUEL_LEVEL,
    FUEL_RATE,
    THROTTLE_POSITION,
    ENGINE_LOAD,
    INTAKE_TEMP,
    INTAKE_PRESSURE,
    AIR_FLOW,
    BATTERY_VOLTAGE,
    GEAR,
    BRAKE_PRESSURE,
    STEERING_ANGLE,
    ODOMETER,
    AMBIENT_TEMP,
    CABIN_TEMP,
    TYRE_PRESSURE_FRONT,
    TYRE_PRESSURE_REAR,
    GPS_LAT,
    GPS_LON,
    GPS_ALTITUDE,
    GPS_HEADING,
};

const struct drive_channel drive_channels[] = {
    [ENGINE_RPM] = {"engine_rpm", "rpm", MADE_UP "engine speed", 0, 8000, 0.25},
    [VEHICLE_SPEED] = {"vehicle_speed", "km/h", MADE_UP "speed over ground", 0, 250, 0.01},
    [COOLANT_TEMP] = {"coolant_temp", "degC", MADE_UP "coolant temperature", -40, 150, 0.1},
    [OIL_TEMP] = {"oil_temp", "degC", MADE_UP "oil temperature", -40, 180, 0.1},
    [OIL_PRESSURE] = {"oil_pressure", "bar", MADE_UP "oil pressure", 0, 10, 0.01},
    [FUEL_LEVEL] = {"fuel_level", "%", MADE_UP "fuel in the tank", 0, 100, 0.1},
    [FUEL_RATE] = {"fuel_rate", "l/h", MADE_UP "fuel consumption", 0, 100, 0.05},
    [THROTTLE_POSITION] = {"throttle_position", "%", MADE_UP "throttle position", 0, 100, 0.1},
    [ENGINE_LOAD] = {"engine_load", "%", MADE_UP "engine load", 0, 100, 0.1},
    [INTAKE_TEMP] = {"intake_temp", "degC", MADE_UP "intake air temperature", -40, 120, 0.1},
    [INTAKE_PRESSURE] = {"intake_pressure", "kPa", MADE_UP "intake manifold pressure", 0, 300, 0.1},
    [AIR_FLOW] = {"air_flow", "g/s", MADE_UP "mass air flow", 0, 655, 0.01},
    [BATTERY_VOLTAGE] = {"battery_voltage", "V", MADE_UP "battery voltage", 0, 16, 0.01},
    [GEAR] = {"gear", "", MADE_UP "gear engaged", 0, 6, 1},
    [BRAKE_PRESSURE] = {"brake_pressure", "bar", MADE_UP "brake pressure", 0, 200, 0.1},
    [STEERING_ANGLE] = {"steering_angle", "deg", MADE_UP "steering wheel angle", -720, 720, 0.1},
    [ODOMETER] = {"odometer", "km", MADE_UP "distance driven", 0, 1e6, 0.001},
    [AMBIENT_TEMP] = {"ambient_temp", "degC", MADE_UP "outside temperature", -40, 60, 0.1},
    [CABIN_TEMP] = {"cabin_temp", "degC", MADE_UP "cabin temperature", -40, 80, 0.1},
    [TYRE_PRESSURE_FRONT] = {"tyre_pressure_front", "bar", MADE_UP "front tyre pressure", 0, 5, 0.01},
    [TYRE_PRESSURE_REAR] = {"tyre_pressure_rear", "bar", MADE_UP "rear tyre pressure", 0, 5, 0.01},
    [GPS_LAT] = {"gps_lat", "deg", MADE_UP "latitude", -90, 90, 0.000001},
    [GPS_LON] = {"gps_lon", "deg", MADE_UP "longitude", -180, 180, 0.000001},
    [GPS_ALTITUDE] = {"gps_altitude", "m", MADE_UP "altitude", -500, 9000, 0.1},
    [GPS_HEADING] = {"gps_heading", "deg", MADE_UP "heading", 0, 360, 0.1},
};
_Static_assert(sizeof(drive_channels) / sizeof(drive_channels[0]) == DRIVE_CHANNELS,
               "every channel is there");

/* SplitMix64's finaliser (Steele, Lea, Flood 2014), as a number from -1 to 1. */
static double noise(uint64_t seed, uint64_t at, uint64_t channel)
{
    uint64_t x = seed + at * 0x9e3779b97f4a7c15u + channel * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (double)(int64_t)x / 9223372036854775808.0;
}

/* A wave of that period, shifted by the seed. */
static double wave(uint64_t seed, double t_s, double period_s, uint64_t channel)
{
    return sin(2 * M_PI * t_s / period_s + M_PI * noise(seed, 0, channel));
}

struct motion {
    double speed;       /* km/h, always above 0 */
    double pull;        /* -1 braking to 1 accelerating */
    double distance_km; /* the integral of speed */
};

static struct motion motion_at(uint64_t seed, double t_s)
{
    static const double slow_s = 600;
    static const double fast_s = 97;
    double quarter = t_s + slow_s / 4; /* a wave a quarter ahead is the derivative's shape */
    double speed = 55 + 30 * wave(seed, t_s, slow_s, 100) + 20 * wave(seed, t_s, fast_s, 101);
    double integral =
        55 * t_s +
        30 * slow_s / (2 * M_PI) *
            (wave(seed, -slow_s / 4, slow_s, 100) - wave(seed, t_s - slow_s / 4, slow_s, 100)) * -1 +
        20 * fast_s / (2 * M_PI) *
            (wave(seed, -fast_s / 4, fast_s, 101) - wave(seed, t_s - fast_s / 4, fast_s, 101)) * -1;
    return (struct motion){
        .speed = speed,
        .pull = 0.3 * wave(seed, quarter, slow_s, 100) + 0.7 * wave(seed, t_s + fast_s / 4, fast_s, 101),
        .distance_km = integral / 3600,
    };
}

static void engine_values(const struct motion *motion, double t_s, double out[DRIVE_CHANNELS])
{
    double gear = floor(motion->speed / 22) + 1;
    double load = 35 + 30 * motion->pull + motion->speed / 8;
    double warm = 1 - exp(-t_s / 400);
    out[GEAR] = gear;
    out[ENGINE_RPM] = 900 + motion->speed / gear * 75 + 150 * motion->pull;
    out[VEHICLE_SPEED] = motion->speed;
    out[ENGINE_LOAD] = load;
    out[THROTTLE_POSITION] = load * 0.8;
    out[BRAKE_PRESSURE] = motion->pull < -0.5 ? -60 * (motion->pull + 0.5) : 0;
    out[FUEL_RATE] = 0.8 + load * out[ENGINE_RPM] / 16000;
    out[AIR_FLOW] = 2 + load * out[ENGINE_RPM] / 3500;
    out[INTAKE_PRESSURE] = 30 + load * 0.9;
    out[COOLANT_TEMP] = 18 + 72 * warm + 2 * motion->pull;
    out[OIL_TEMP] = 18 + 80 * warm * warm + 3 * motion->pull;
    out[OIL_PRESSURE] = 1.2 + out[ENGINE_RPM] / 1200;
    out[BATTERY_VOLTAGE] = 13.9 + 0.2 * motion->pull;
}

static void place_values(uint64_t seed, const struct motion *motion, double t_s, double out[DRIVE_CHANNELS])
{
    static const double lap_km = 40;
    static const double tank_km = 600;
    double angle = 2 * M_PI * motion->distance_km / lap_km;
    out[ODOMETER] = 48210 + motion->distance_km;
    out[FUEL_LEVEL] = 95 - 85 * fmod(motion->distance_km, tank_km) / tank_km;
    out[GPS_LAT] = 50.4501 + 0.057 * sin(angle);
    out[GPS_LON] = 30.5234 + 0.09 * cos(angle);
    out[GPS_ALTITUDE] = 160 + 35 * sin(3 * angle);
    out[GPS_HEADING] = fmod(360 - angle * 180 / M_PI + 360 * 1e6, 360);
    out[STEERING_ANGLE] = 25 * wave(seed, t_s, 23, 102) - 4;
    out[AMBIENT_TEMP] = 18 + 6 * wave(seed, t_s, 86400, 103);
    out[CABIN_TEMP] = 21 + 0.5 * wave(seed, t_s, 700, 104);
    out[INTAKE_TEMP] = out[AMBIENT_TEMP] + 9 + 3 * motion->pull;
    out[TYRE_PRESSURE_FRONT] = 2.4 + 0.1 * (1 - exp(-t_s / 900));
    out[TYRE_PRESSURE_REAR] = 2.6 + 0.1 * (1 - exp(-t_s / 900));
}

/* Whole multiples of the resolution inside the limits. The quotient is divided, not multiplied, so that 0.1
 * steps print as they are meant. */
static double quantised(const struct drive_channel *channel, double value)
{
    double per_unit = round(1 / channel->resolution);
    double clamped = fmin(fmax(value, channel->phys_min), channel->phys_max);
    return round(clamped * per_unit) / per_unit;
}

void drive_values(uint64_t seed, double t_s, double out[DRIVE_CHANNELS])
{
    struct motion motion = motion_at(seed, t_s);
    uint64_t at = (uint64_t)(t_s * 1000) + 1;
    engine_values(&motion, t_s, out);
    place_values(seed, &motion, t_s, out);
    for (uint64_t i = 0; i < DRIVE_CHANNELS; i++) {
        double jitter = i == GEAR ? 0 : 2 * drive_channels[i].resolution * noise(seed, at, i);
        out[i] = quantised(&drive_channels[i], out[i] + jitter);
    }
}
