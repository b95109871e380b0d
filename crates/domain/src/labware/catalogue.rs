//! The measures of all standard labware of robot-server 8.1.0, as published in the Opentrons labware library.
//!
//! One entry a labware, in the order of their load names; what an entry doesn't say is said by its category in
//! [`standard`](super::standard). Lengths in mm, volumes in µL. Wells stand in regular grids, so a labware is a few numbers; a
//! test holds every one of them against the library itself (`tests/clients/labware.py`).

use super::standard::{
    ADAPTER, BLOCK, Bottom, Grip, JIG, Magnet, PLATE, RESERVOIR, SBS, Standard, TIPS, TRASH, TUBES, Tips, grid, oblong,
    round, well,
};

#[rustfmt::skip]
pub const CATALOGUE: &[Standard] = &[
    Standard {
        load_name: "agilent_1_reservoir_290ml", display_name: "Agilent 1 Well Reservoir 290 mL", brand: "Agilent",
        size: [127.76, 85.57, 44.04],
        parts: &[well([63.88, 42.785, 4.82], 39.22, 290000.0, oblong(108.0, 72.0), Bottom::V)], ..RESERVOIR
    },
    Standard {
        load_name: "appliedbiosystemsmicroamp_384_wellplate_40ul", display_name: "Applied Biosystems MicroAmp 384 Well Plate 40 µL", brand: "Applied Biosystems MicroAmp",
        size: [127.8, 85.5, 9.7], format: "384Standard",
        parts: &[grid(24, 16, [12.15, 76.5, 0.61], [4.5, 4.5], 9.09, 40.0, round(3.17), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "armadillo_96_wellplate_200ul_pcr_full_skirt", display_name: "Armadillo 96 Well Plate 200 µL PCR Full Skirt", brand: "Thermo Scientific", versions: &[1, 2],
        size: [127.76, 85.48, 16.0], magnet: Magnet::Fits,
        grip: Some(Grip { force: 15.0, height: 10.0 }), on_labware: &[("opentrons_96_pcr_adapter", 10.95), ("opentrons_96_well_aluminum_block", 11.91)], on_modules: &[("magneticBlockV1", 3.54), ("thermocyclerModuleV2", 10.7)],
        parts: &[grid(12, 8, [14.38, 74.24, 1.05], SBS, 14.95, 200.0, round(5.5), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "axygen_1_reservoir_90ml", display_name: "Axygen 1 Well Reservoir 90 mL", brand: "Axygen",
        size: [127.76, 85.47, 19.05],
        parts: &[well([63.88, 42.735, 6.63], 12.42, 90000.0, oblong(106.76, 70.52), Bottom::Flat)], ..RESERVOIR
    },
    Standard {
        load_name: "biorad_384_wellplate_50ul", display_name: "Bio-Rad 384 Well Plate 50 µL", brand: "Bio-Rad", versions: &[1, 2],
        size: [127.76, 85.48, 10.4], format: "384Standard",
        grip: Some(Grip { force: 15.0, height: 9.3 }),
        parts: &[grid(24, 16, [12.13, 76.49, 1.05], [4.5, 4.5], 9.35, 50.0, round(3.1), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "biorad_96_wellplate_200ul_pcr", display_name: "Bio-Rad 96 Well Plate 200 µL PCR", brand: "Bio-Rad", versions: &[1, 2],
        size: [127.76, 85.48, 16.06], magnet: Magnet::At(18.0),
        grip: Some(Grip { force: 15.0, height: 10.14 }), on_labware: &[("opentrons_96_well_aluminum_block", 15.41), ("opentrons_96_pcr_adapter", 10.16)], on_modules: &[("thermocyclerModuleV2", 10.75), ("magneticBlockV1", 3.87)],
        parts: &[grid(12, 8, [14.38, 74.24, 1.25], SBS, 14.81, 200.0, round(5.46), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "corning_12_wellplate_6.9ml_flat", display_name: "Corning 12 Well Plate 6.9 mL Flat", brand: "Corning", versions: &[1, 2],
        size: [127.89, 85.6, 20.02], format: "irregular", units: "mL",
        grip: Some(Grip { force: 16.0, height: 18.3 }), on_labware: &[("opentrons_aluminum_flat_bottom_plate", 4.5)],
        parts: &[grid(4, 3, [24.94, 68.81, 2.49], [26.01, 26.01], 17.53, 6900.0, round(22.73), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "corning_24_wellplate_3.4ml_flat", display_name: "Corning 24 Well Plate 3.4 mL Flat", brand: "Corning", versions: &[1, 2],
        size: [127.76, 85.47, 20.27], format: "irregular", units: "mL",
        on_labware: &[("opentrons_aluminum_flat_bottom_plate", 4.15)],
        parts: &[grid(6, 4, [17.48, 71.67, 2.87], [19.3, 19.3], 17.4, 3400.0, round(16.26), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "corning_384_wellplate_112ul_flat", display_name: "Corning 384 Well Plate 112 µL Flat", brand: "Corning", versions: &[1, 2],
        size: [127.76, 85.47, 14.22], format: "384Standard",
        grip: Some(Grip { force: 15.0, height: 12.4 }), on_labware: &[("opentrons_universal_flat_adapter", 8.32), ("opentrons_aluminum_flat_bottom_plate", 4.4)],
        parts: &[grid(24, 16, [12.12, 76.49, 2.79], [4.5, 4.5], 11.43, 112.0, oblong(3.63, 3.63), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "corning_48_wellplate_1.6ml_flat", display_name: "Corning 48 Well Plate 1.6 mL Flat", brand: "Corning", versions: &[1, 2],
        size: [127.89, 85.6, 20.02], format: "irregular", units: "mL",
        grip: Some(Grip { force: 16.0, height: 18.3 }), on_labware: &[("opentrons_aluminum_flat_bottom_plate", 4.4)],
        parts: &[grid(8, 6, [18.16, 75.48, 2.62], [13.08, 13.08], 17.4, 1600.0, round(11.56), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "corning_6_wellplate_16.8ml_flat", display_name: "Corning 6 Well Plate 16.8 mL Flat", brand: "Corning", versions: &[1, 2],
        size: [127.76, 85.47, 20.27], format: "irregular", units: "mL",
        on_labware: &[("opentrons_aluminum_flat_bottom_plate", 4.5)],
        parts: &[grid(3, 2, [24.76, 62.28, 2.87], [39.12, 39.12], 17.4, 16800.0, round(35.43), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "corning_96_wellplate_360ul_flat", display_name: "Corning 96 Well Plate 360 µL Flat", brand: "Corning", versions: &[1, 2],
        size: [127.76, 85.47, 14.22],
        grip: Some(Grip { force: 15.0, height: 12.2 }), on_labware: &[("opentrons_universal_flat_adapter", 10.22), ("opentrons_aluminum_flat_bottom_plate", 5.45)],
        parts: &[grid(12, 8, [14.38, 74.24, 3.55], SBS, 10.67, 360.0, round(6.86), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "eppendorf_96_tiprack_1000ul_eptips", display_name: "Eppendorf epT.I.P.S. 96 Tip Rack 1000 µL", brand: "Eppendorf",
        size: [127.76, 85.48, 121.9], tips: Some(Tips { length: 70.7, overlap: 0.0 }),
        parts: &[grid(12, 8, [14.38, 74.24, 56.9], SBS, 65.0, 1000.0, round(8.8), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "eppendorf_96_tiprack_10ul_eptips", display_name: "Eppendorf epT.I.P.S. 96 Tip Rack 10 µL", brand: "Eppendorf",
        size: [127.76, 85.48, 65.4], tips: Some(Tips { length: 34.0, overlap: 1.0 }),
        parts: &[grid(12, 8, [14.38, 74.24, 35.4], SBS, 30.0, 10.0, round(6.0), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "geb_96_tiprack_1000ul", display_name: "GEB 96 Tip Rack 1000 µL", brand: "GEB",
        size: [127.75, 85.5, 100.25], tips: Some(Tips { length: 87.9, overlap: 11.2 }),
        parts: &[grid(12, 8, [14.2, 74.2, 18.25], SBS, 82.0, 1000.0, round(7.46), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "geb_96_tiprack_10ul", display_name: "GEB 96 Tip Rack 10 µL", brand: "GEB",
        size: [127.75, 85.5, 52.25], tips: Some(Tips { length: 39.2, overlap: 6.2 }),
        parts: &[grid(12, 8, [14.38, 74.25, 22.25], SBS, 34.0, 10.0, round(3.46), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "nest_12_reservoir_15ml", display_name: "NEST 12 Well Reservoir 15 mL", brand: "NEST",
        size: [127.76, 85.48, 31.4],
        parts: &[grid(12, 1, [14.38, 42.78, 4.55], SBS, 26.85, 15000.0, oblong(8.2, 71.2), Bottom::V)], ..RESERVOIR
    },
    Standard {
        load_name: "nest_1_reservoir_195ml", display_name: "NEST 1 Well Reservoir 195 mL", brand: "NEST", versions: &[1, 2],
        size: [127.76, 85.48, 31.4],
        grip: Some(Grip { force: 15.0, height: 16.8 }),
        parts: &[well([63.88, 42.74, 4.55], 25.0, 195000.0, oblong(106.8, 71.2), Bottom::V)], ..RESERVOIR
    },
    Standard {
        load_name: "nest_1_reservoir_290ml", display_name: "NEST 1 Well Reservoir 290 mL", brand: "NEST",
        size: [127.76, 85.47, 44.4],
        parts: &[well([63.88, 42.74, 4.85], 39.55, 290000.0, oblong(106.8, 71.2), Bottom::V)], ..RESERVOIR
    },
    Standard {
        load_name: "nest_96_wellplate_100ul_pcr_full_skirt", display_name: "NEST 96 Well Plate 100 µL PCR Full Skirt", brand: "NEST", versions: &[1, 2],
        size: [127.76, 85.48, 15.7], magnet: Magnet::At(20.0),
        grip: Some(Grip { force: 15.0, height: 10.65 }), on_labware: &[("opentrons_96_pcr_adapter", 10.2), ("opentrons_96_well_aluminum_block", 12.66)], on_modules: &[("thermocyclerModuleV2", 10.8)],
        parts: &[grid(12, 8, [14.38, 74.24, 0.92], SBS, 14.78, 100.0, round(5.34), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "nest_96_wellplate_200ul_flat", display_name: "NEST 96 Well Plate 200 µL Flat", brand: "NEST", versions: &[1, 2],
        size: [127.56, 85.36, 14.3],
        grip: Some(Grip { force: 15.0, height: 11.8 }), on_labware: &[("opentrons_96_flat_bottom_adapter", 6.7), ("opentrons_aluminum_flat_bottom_plate", 5.55)],
        parts: &[grid(12, 8, [14.28, 74.18, 3.5], SBS, 10.8, 200.0, round(6.85), Bottom::Flat)], ..PLATE
    },
    Standard {
        load_name: "nest_96_wellplate_2ml_deep", display_name: "NEST 96 Deep Well Plate 2mL", brand: "NEST", versions: &[1, 2],
        size: [127.6, 85.3, 41.0], magnet: Magnet::At(6.8),
        grip: Some(Grip { force: 15.0, height: 21.9 }), on_labware: &[("opentrons_96_deep_well_adapter", 16.3), ("opentrons_96_deep_well_temp_mod_adapter", 16.1)], on_modules: &[("magneticBlockV1", 2.66)],
        parts: &[grid(12, 8, [14.3, 74.15, 3.0], SBS, 38.0, 2000.0, oblong(8.2, 8.2), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "opentrons_10_tuberack_falcon_4x50ml_6x15ml_conical", display_name: "Opentrons 10 Tube Rack with Falcon 4x50 mL, 6x15 mL Conical", brand: "Opentrons",
        size: [127.75, 85.5, 124.35],
        parts: &[grid(2, 3, [13.88, 67.75, 6.85], [25.0, 25.0], 117.5, 15000.0, round(14.9), Bottom::V), grid(2, 2, [71.38, 60.25, 7.3], [35.0, 35.0], 113.0, 50000.0, round(27.81), Bottom::V).from(0, 2)], ..TUBES
    },
    Standard {
        load_name: "opentrons_10_tuberack_falcon_4x50ml_6x15ml_conical_acrylic", display_name: "Opentrons 10 Tube Rack (Acrylic) with Falcon 4x50 mL, 6x15 mL Conical", brand: "Opentrons",
        size: [127.75, 85.5, 123.76],
        parts: &[grid(2, 3, [19.0, 74.0, 5.78], [23.0, 31.5], 117.98, 15000.0, round(14.9), Bottom::V), grid(2, 2, [70.2, 62.2, 5.95], [35.9, 45.4], 113.85, 50000.0, round(27.81), Bottom::V).from(0, 2)], ..TUBES
    },
    Standard {
        load_name: "opentrons_10_tuberack_nest_4x50ml_6x15ml_conical", display_name: "Opentrons 10 Tube Rack with NEST 4x50 mL, 6x15 mL Conical", brand: "Opentrons",
        size: [127.76, 85.48, 124.65],
        parts: &[grid(2, 3, [13.88, 67.75, 6.85], [25.0, 25.0], 117.8, 15000.0, round(15.5), Bottom::V), grid(2, 2, [71.38, 60.25, 7.3], [35.0, 35.0], 113.05, 50000.0, round(27.95), Bottom::V).from(0, 2)], ..TUBES
    },
    Standard {
        load_name: "opentrons_15_tuberack_falcon_15ml_conical", display_name: "Opentrons 15 Tube Rack with Falcon 15 mL Conical", brand: "Opentrons",
        size: [127.76, 85.48, 124.35],
        parts: &[grid(5, 3, [13.88, 67.74, 6.85], [25.0, 25.0], 117.5, 15000.0, round(14.9), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_15_tuberack_nest_15ml_conical", display_name: "Opentrons 15 Tube Rack with NEST 15 mL Conical", brand: "Opentrons",
        size: [127.76, 85.48, 124.65],
        parts: &[grid(5, 3, [13.88, 67.74, 6.85], [25.0, 25.0], 117.8, 15000.0, round(15.5), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_1_trash_1100ml_fixed", display_name: "Opentrons Fixed Trash", brand: "Opentrons",
        size: [172.86, 165.86, 82.0],
        parts: &[well([82.84, 80.0, 82.0], 0.0, 1100000.0, oblong(107.11, 165.67), Bottom::Unsaid)], ..TRASH
    },
    Standard {
        load_name: "opentrons_1_trash_3200ml_fixed", display_name: "Opentrons Fixed Trash", brand: "Opentrons",
        size: [246.5, 91.5, 40.0], corner: [-17.0, -2.75, 0.0],
        parts: &[well([123.25, 45.75, 0.0], 40.0, 3200000.0, oblong(225.0, 78.0), Bottom::Unsaid)], ..TRASH
    },
    Standard {
        load_name: "opentrons_1_trash_850ml_fixed", display_name: "Opentrons Short Fixed Trash", brand: "Opentrons",
        size: [172.86, 165.86, 58.0],
        parts: &[well([82.84, 80.0, 58.0], 0.0, 850000.0, oblong(107.11, 165.67), Bottom::Unsaid)], ..TRASH
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_generic_2ml_screwcap", display_name: "Opentrons 24 Well Aluminum Block with Generic 2 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 42.0], quirks: &[],
        parts: &[grid(6, 4, [20.75, 68.63, 6.7], [17.25, 17.25], 42.0, 2000.0, round(8.5), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_generic_2ml_screwcap", display_name: "Opentrons 24 Well Aluminum Block with Generic 2 mL Screwcap", brand: "Opentrons", versions: &[2],
        size: [127.75, 85.5, 48.7],
        parts: &[grid(6, 4, [20.75, 68.63, 6.7], [17.25, 17.25], 42.0, 2000.0, round(8.5), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_nest_0.5ml_screwcap", display_name: "Opentrons 24 Well Aluminum Block with NEST 0.5 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 49.35],
        parts: &[grid(6, 4, [20.75, 68.62, 24.15], [17.25, 17.25], 25.2, 500.0, round(8.69), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_nest_1.5ml_screwcap", display_name: "Opentrons 24 Well Aluminum Block with NEST 1.5 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 49.35],
        parts: &[grid(6, 4, [20.75, 68.62, 5.45], [17.25, 17.25], 43.9, 1500.0, round(8.69), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_nest_1.5ml_snapcap", display_name: "Opentrons 24 Well Aluminum Block with NEST 1.5 mL Snapcap", brand: "Opentrons",
        size: [127.75, 85.5, 43.7],
        parts: &[grid(6, 4, [20.75, 68.62, 5.8], [17.25, 17.25], 37.9, 1500.0, round(10.2), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_nest_2ml_screwcap", display_name: "Opentrons 24 Well Aluminum Block with NEST 2 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 49.5],
        parts: &[grid(6, 4, [20.75, 68.62, 5.45], [17.25, 17.25], 44.05, 2000.0, round(8.69), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_aluminumblock_nest_2ml_snapcap", display_name: "Opentrons 24 Well Aluminum Block with NEST 2 mL Snapcap", brand: "Opentrons",
        size: [127.75, 85.5, 43.6],
        parts: &[grid(6, 4, [20.75, 68.62, 4.32], [17.25, 17.25], 39.28, 2000.0, round(10.18), Bottom::U)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_24_tuberack_eppendorf_1.5ml_safelock_snapcap", display_name: "Opentrons 24 Tube Rack with Eppendorf 1.5 mL Safe-Lock Snapcap", brand: "Opentrons",
        size: [127.75, 85.5, 79.85],
        parts: &[grid(6, 4, [18.21, 75.43, 42.05], [19.89, 19.28], 37.8, 1500.0, round(8.7), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_eppendorf_2ml_safelock_snapcap", display_name: "Opentrons 24 Tube Rack with Eppendorf 2 mL Safe-Lock Snapcap", brand: "Opentrons",
        size: [127.75, 85.5, 79.85],
        parts: &[grid(6, 4, [18.21, 75.43, 41.27], [19.89, 19.28], 39.1, 2000.0, round(8.8), Bottom::U)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_eppendorf_2ml_safelock_snapcap_acrylic", display_name: "Opentrons 24 Tube Rack (Acrylic) with Eppendorf 2 mL Safe-Lock Snapcap", brand: "Opentrons",
        size: [127.76, 85.48, 52.0],
        parts: &[grid(6, 4, [15.28, 72.4, 13.42], [19.5, 19.5], 38.58, 2000.0, round(9.9), Bottom::U)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_generic_0.75ml_snapcap_acrylic", display_name: "Opentrons 24 Tube Rack (Acrylic) with Generic 0.75 mL Snapcap", brand: "Opentrons",
        size: [127.76, 85.48, 55.0],
        parts: &[grid(6, 4, [16.76, 70.62, 35.0], [19.56, 19.56], 20.0, 750.0, round(6.0), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_generic_2ml_screwcap", display_name: "Opentrons 24 Tube Rack with Generic 2 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 84.0],
        parts: &[grid(6, 4, [18.21, 75.43, 42.0], [19.89, 19.28], 42.0, 2000.0, round(8.5), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_nest_0.5ml_screwcap", display_name: "Opentrons 24 Tube Rack with NEST 0.5 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 85.2],
        parts: &[grid(6, 4, [18.21, 75.43, 60.0], [19.89, 19.28], 25.2, 500.0, round(8.69), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_nest_1.5ml_screwcap", display_name: "Opentrons 24 Tube Rack with NEST 1.5 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 85.2],
        parts: &[grid(6, 4, [18.21, 75.43, 41.3], [19.89, 19.28], 43.9, 1500.0, round(8.69), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_nest_1.5ml_snapcap", display_name: "Opentrons 24 Tube Rack with NEST 1.5 mL Snapcap", brand: "Opentrons",
        size: [127.75, 85.5, 79.55],
        parts: &[grid(6, 4, [18.21, 75.43, 41.65], [19.89, 19.28], 37.9, 1500.0, round(10.2), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_nest_2ml_screwcap", display_name: "Opentrons 24 Tube Rack with NEST 2 mL Screwcap", brand: "Opentrons",
        size: [127.75, 85.5, 85.35],
        parts: &[grid(6, 4, [18.21, 75.43, 41.3], [19.89, 19.28], 44.05, 2000.0, round(8.69), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_24_tuberack_nest_2ml_snapcap", display_name: "Opentrons 24 Tube Rack with NEST 2 mL Snapcap", brand: "Opentrons",
        size: [127.75, 85.5, 79.45],
        parts: &[grid(6, 4, [18.21, 75.43, 40.17], [19.89, 19.28], 39.28, 2000.0, round(10.18), Bottom::U)], ..TUBES
    },
    Standard {
        load_name: "opentrons_40_aluminumblock_eppendorf_24x2ml_safelock_snapcap_generic_16x0.2ml_pcr_strip", display_name: "Opentrons 40 Well Aluminum Block with Eppendorf 24x2 mL Safe-Lock Snapcap, Generic 16x0.2 mL PCR Strip", brand: "Opentrons",
        size: [127.75, 85.5, 49.22],
        parts: &[grid(1, 8, [5.0, 74.25, 28.92], SBS, 20.3, 200.0, round(5.46), Bottom::V), grid(1, 8, [122.75, 74.25, 28.92], SBS, 20.3, 200.0, round(5.46), Bottom::V).from(0, 12), grid(1, 4, [15.13, 72.0, 6.26], [19.5, 19.5], 42.0, 2000.0, round(8.5), Bottom::Unsaid).from(0, 2), grid(5, 4, [34.63, 72.0, 6.26], [19.5, 19.5], 42.0, 2000.0, round(8.5), Bottom::U).from(0, 3)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_6_tuberack_falcon_50ml_conical", display_name: "Opentrons 6 Tube Rack with Falcon 50 mL Conical", brand: "Opentrons",
        size: [127.76, 85.48, 120.3],
        parts: &[grid(3, 2, [35.5, 60.24, 7.3], [35.0, 35.0], 113.0, 50000.0, round(27.81), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_6_tuberack_nest_50ml_conical", display_name: "Opentrons 6 Tube Rack with NEST 50 mL Conical", brand: "Opentrons",
        size: [127.76, 85.48, 120.35],
        parts: &[grid(3, 2, [35.5, 60.24, 7.3], [35.0, 35.0], 113.05, 50000.0, round(27.95), Bottom::V)], ..TUBES
    },
    Standard {
        load_name: "opentrons_96_aluminumblock_biorad_wellplate_200ul", display_name: "Opentrons 96 Well Aluminum Block with Bio-Rad Well Plate 200 µL", brand: "Opentrons",
        size: [127.76, 85.48, 18.81], format: "96Standard", units: "µL",
        parts: &[grid(12, 8, [14.38, 74.24, 4.0], SBS, 14.81, 200.0, round(5.46), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_96_aluminumblock_generic_pcr_strip_200ul", display_name: "Opentrons 96 Well Aluminum Block with Generic PCR Strip 200 µL", brand: "Opentrons",
        size: [127.75, 85.5, 19.5], format: "96Standard", units: "µL", quirks: &[],
        parts: &[grid(12, 8, [14.38, 74.25, 5.31], SBS, 20.3, 200.0, round(5.46), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_96_aluminumblock_generic_pcr_strip_200ul", display_name: "Opentrons 96 Well Aluminum Block with Generic PCR Strip 200 µL", brand: "Opentrons", versions: &[2],
        size: [127.75, 85.5, 25.61], format: "96Standard", units: "µL",
        parts: &[grid(12, 8, [14.38, 74.25, 5.31], SBS, 20.3, 200.0, round(5.46), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_96_aluminumblock_nest_wellplate_100ul", display_name: "Opentrons 96 Well Aluminum Block with NEST Well Plate 100 µL", brand: "Opentrons",
        size: [127.75, 85.45, 21.2], format: "96Standard", units: "µL",
        parts: &[grid(12, 8, [14.38, 74.2, 6.42], SBS, 14.78, 100.0, round(5.34), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_96_deep_well_adapter", display_name: "Opentrons 96 Deep Well Heater-Shaker Adapter", brand: "Opentrons",
        size: [114.2, 78.2, 17.55], corner: [6.9, 3.9, 0.0], is_adapter: true,
        parts: &[], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_deep_well_adapter_nest_wellplate_2ml_deep", display_name: "Opentrons 96 Deep Well Heater-Shaker Adapter with NEST Deep Well Plate 2 mL", brand: "Opentrons",
        size: [127.6, 85.3, 42.25], quirks: &["gripperIncompatible"],
        parts: &[grid(12, 8, [14.3, 74.15, 4.25], SBS, 38.0, 2000.0, oblong(8.2, 8.2), Bottom::V)], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_deep_well_temp_mod_adapter", display_name: "Opentrons 96 Deep Well Temperature Module Adapter", brand: "Opentrons",
        size: [127.75, 85.5, 21.4], corner: [0.125, 0.25, 0.0], is_adapter: true,
        parts: &[], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_filtertiprack_1000ul", display_name: "Opentrons OT-2 96 Filter Tip Rack 1000 µL", brand: "Opentrons",
        size: [127.76, 85.48, 97.47], tips: Some(Tips { length: 88.0, overlap: 7.95 }),
        parts: &[grid(12, 8, [14.36, 74.26, 9.47], SBS, 88.0, 1000.0, round(7.23), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_filtertiprack_10ul", display_name: "Opentrons OT-2 96 Filter Tip Rack 10 µL", brand: "Opentrons",
        size: [127.76, 85.48, 64.69], tips: Some(Tips { length: 39.2, overlap: 3.29 }),
        parts: &[grid(12, 8, [14.36, 74.26, 25.49], SBS, 39.2, 10.0, round(3.27), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_filtertiprack_200ul", display_name: "Opentrons OT-2 96 Filter Tip Rack 200 µL", brand: "Opentrons",
        size: [127.76, 85.48, 64.49], tips: Some(Tips { length: 59.3, overlap: 7.47 }),
        parts: &[grid(12, 8, [14.38, 74.24, 5.39], SBS, 59.3, 200.0, round(5.23), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_filtertiprack_20ul", display_name: "Opentrons OT-2 96 Filter Tip Rack 20 µL", brand: "Opentrons",
        size: [127.76, 85.48, 64.69], tips: Some(Tips { length: 39.2, overlap: 3.29 }),
        parts: &[grid(12, 8, [14.36, 74.26, 25.49], SBS, 39.2, 20.0, round(3.27), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_flat_bottom_adapter", display_name: "Opentrons 96 Flat Bottom Heater-Shaker Adapter", brand: "Opentrons",
        size: [111.0, 75.0, 7.9], corner: [8.5, 5.5, 0.0], is_adapter: true,
        parts: &[], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_flat_bottom_adapter_nest_wellplate_200ul_flat", display_name: "Opentrons 96 Flat Bottom Heater-Shaker Adapter with NEST 96 Well Plate 200 µL Flat", brand: "Opentrons",
        size: [127.76, 85.48, 15.5], quirks: &["gripperIncompatible"],
        parts: &[grid(12, 8, [14.28, 74.18, 4.55], SBS, 10.8, 200.0, round(6.85), Bottom::Flat)], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_pcr_adapter", display_name: "Opentrons 96 PCR Heater-Shaker Adapter", brand: "Opentrons",
        size: [111.0, 75.0, 13.85], corner: [8.5, 5.5, 0.0], is_adapter: true,
        parts: &[grid(12, 8, [6.0, 69.0, 1.85], SBS, 12.0, 0.0, round(5.64), Bottom::V)], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_pcr_adapter_armadillo_wellplate_200ul", display_name: "Opentrons 96 PCR Heater-Shaker Adapter with Armadillo Well Plate 200 µl", brand: "Opentrons",
        size: [127.76, 85.48, 18.9], format: "96Standard", units: "µL",
        parts: &[grid(12, 8, [14.38, 74.24, 3.95], SBS, 14.95, 200.0, round(5.5), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_96_pcr_adapter_nest_wellplate_100ul_pcr_full_skirt", display_name: "Opentrons 96 PCR Heater-Shaker Adapter with NEST Well Plate 100 µl", brand: "Opentrons",
        size: [127.76, 85.48, 19.35], quirks: &["gripperIncompatible"],
        parts: &[grid(12, 8, [14.38, 74.24, 3.57], SBS, 14.78, 100.0, round(5.34), Bottom::V)], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_96_tiprack_1000ul", display_name: "Opentrons OT-2 96 Tip Rack 1000 µL", brand: "Opentrons",
        size: [127.76, 85.48, 97.47], tips: Some(Tips { length: 88.0, overlap: 7.95 }),
        parts: &[grid(12, 8, [14.38, 74.24, 9.47], SBS, 88.0, 1000.0, round(7.23), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_tiprack_10ul", display_name: "Opentrons OT-2 96 Tip Rack 10 µL", brand: "Opentrons",
        size: [127.76, 85.48, 64.69], tips: Some(Tips { length: 39.2, overlap: 3.29 }),
        parts: &[grid(12, 8, [14.38, 74.24, 25.49], SBS, 39.2, 10.0, round(3.27), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_tiprack_20ul", display_name: "Opentrons OT-2 96 Tip Rack 20 µL", brand: "Opentrons",
        size: [127.76, 85.48, 64.69], tips: Some(Tips { length: 39.2, overlap: 8.25 }),
        parts: &[grid(12, 8, [14.38, 74.24, 25.49], SBS, 39.2, 20.0, round(3.27), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_tiprack_300ul", display_name: "Opentrons OT-2 96 Tip Rack 300 µL", brand: "Opentrons",
        size: [127.76, 85.48, 64.49], tips: Some(Tips { length: 59.3, overlap: 7.47 }),
        parts: &[grid(12, 8, [14.38, 74.24, 5.39], SBS, 59.3, 300.0, round(5.23), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_96_well_aluminum_block", display_name: "Opentrons 96 Well Aluminum Block", brand: "Opentrons",
        size: [127.76, 85.48, 18.16], format: "96Standard", units: "µL", quirks: &[], is_adapter: true,
        parts: &[grid(12, 8, [14.38, 74.24, 3.38], SBS, 14.78, 0.0, round(5.34), Bottom::V)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_96_wellplate_200ul_pcr_full_skirt", display_name: "Opentrons Tough 96 Well Plate 200 µL PCR Full Skirt", brand: "Opentrons", versions: &[1, 2],
        size: [127.76, 85.48, 16.0], magnet: Magnet::Fits,
        grip: Some(Grip { force: 15.0, height: 10.0 }), on_labware: &[("opentrons_96_pcr_adapter", 10.95), ("opentrons_96_well_aluminum_block", 11.91)], on_modules: &[("magneticBlockV1", 3.54), ("thermocyclerModuleV2", 10.7)],
        parts: &[grid(12, 8, [14.38, 74.24, 1.05], SBS, 14.95, 200.0, round(5.5), Bottom::V)], ..PLATE
    },
    Standard {
        load_name: "opentrons_aluminum_flat_bottom_plate", display_name: "Opentrons Aluminum Flat Bottom Plate", brand: "Opentrons",
        size: [134.0, 92.0, 11.2], format: "96Standard", units: "µL", quirks: &[], corner: [-3.0, -3.0, 0.0], is_adapter: true,
        parts: &[], ..BLOCK
    },
    Standard {
        load_name: "opentrons_calibration_adapter_heatershaker_module", display_name: "Opentrons Calibration Adapter - Heater-shaker Module", brand: "Opentrons",
        size: [111.0, 75.0, 13.85], corner: [8.5, 5.5, 0.0],
        parts: &[well([55.5, 37.5, 9.1], 4.75, 0.0, oblong(20.0, 20.0), Bottom::Flat), well([68.5, 50.5, 13.85], 0.0, 0.0, round(1.0), Bottom::Flat).from(1, 0)], ..JIG
    },
    Standard {
        load_name: "opentrons_calibration_adapter_temperature_module", display_name: "Opentrons Calibration Adapter - Temperature Module", brand: "Opentrons",
        size: [127.75, 85.5, 15.0], corner: [0.13, 0.25, 0.0],
        parts: &[well([64.0, 43.0, 10.25], 4.75, 0.0, oblong(20.0, 20.0), Bottom::Flat), well([77.0, 56.0, 15.0], 0.0, 0.0, round(1.0), Bottom::Flat).from(1, 0)], ..JIG
    },
    Standard {
        load_name: "opentrons_calibration_adapter_thermocycler_module", display_name: "Opentrons Calibration Adapter - Thermocycler Module", brand: "Opentrons",
        size: [116.25, 80.5, 26.4], corner: [5.875, 2.75, 0.0],
        on_modules: &[("thermocyclerModuleV2", 11.0)],
        parts: &[well([92.88, 40.25, 21.65], 4.75, 0.0, oblong(20.0, 20.0), Bottom::Flat), well([105.88, 53.25, 26.4], 0.0, 0.0, round(1.0), Bottom::Flat).from(1, 0)], ..JIG
    },
    Standard {
        load_name: "opentrons_calibrationblock_short_side_left", display_name: "Opentrons Calibration Block - Short Side: Left", brand: "Opentrons",
        size: [127.75, 85.5, 62.5], quirks: &[],
        parts: &[well([31.94, 42.75, 33.0], 0.0, 0.0, oblong(63.88, 85.5), Bottom::Flat), well([95.81, 42.75, 62.5], 0.0, 0.0, oblong(63.88, 85.5), Bottom::Flat).from(0, 1)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_calibrationblock_short_side_right", display_name: "Opentrons Calibration Block - Short Side: Right", brand: "Opentrons",
        size: [127.75, 85.5, 62.5], quirks: &[],
        parts: &[well([31.94, 42.75, 62.5], 0.0, 0.0, oblong(63.88, 85.5), Bottom::Flat), well([95.81, 42.75, 33.0], 0.0, 0.0, oblong(63.88, 85.5), Bottom::Flat).from(0, 1)], ..BLOCK
    },
    Standard {
        load_name: "opentrons_flex_96_filtertiprack_1000ul", display_name: "Opentrons Flex 96 Filter Tip Rack 1000 µL", brand: "Opentrons",
        size: [127.75, 85.75, 99.0], tips: Some(Tips { length: 95.6, overlap: 10.5 }),
        grip: Some(Grip { force: 16.0, height: 23.9 }), on_labware: &[("opentrons_flex_96_tiprack_adapter", 121.0)],
        parts: &[grid(12, 8, [14.38, 74.38, 1.5], SBS, 97.5, 1000.0, round(5.47), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_flex_96_filtertiprack_200ul", display_name: "Opentrons Flex 96 Filter Tip Rack 200 µL", brand: "Opentrons",
        size: [127.75, 85.75, 99.0], tips: Some(Tips { length: 58.35, overlap: 10.5 }),
        grip: Some(Grip { force: 16.0, height: 23.9 }), on_labware: &[("opentrons_flex_96_tiprack_adapter", 121.0)],
        parts: &[grid(12, 8, [14.38, 74.38, 1.5], SBS, 97.5, 200.0, round(5.59), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_flex_96_filtertiprack_50ul", display_name: "Opentrons Flex 96 Filter Tip Rack 50 µL", brand: "Opentrons",
        size: [127.75, 85.75, 99.0], tips: Some(Tips { length: 57.9, overlap: 10.5 }),
        grip: Some(Grip { force: 16.0, height: 23.9 }), on_labware: &[("opentrons_flex_96_tiprack_adapter", 121.0)],
        parts: &[grid(12, 8, [14.38, 74.38, 1.5], SBS, 97.5, 50.0, round(5.58), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_flex_96_tiprack_1000ul", display_name: "Opentrons Flex 96 Tip Rack 1000 µL", brand: "Opentrons",
        size: [127.75, 85.75, 99.0], tips: Some(Tips { length: 95.6, overlap: 10.5 }),
        grip: Some(Grip { force: 16.0, height: 23.9 }), on_labware: &[("opentrons_flex_96_tiprack_adapter", 121.0)],
        parts: &[grid(12, 8, [14.38, 74.38, 1.5], SBS, 97.5, 1000.0, round(5.47), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_flex_96_tiprack_200ul", display_name: "Opentrons Flex 96 Tip Rack 200 µL", brand: "Opentrons",
        size: [127.75, 85.75, 99.0], tips: Some(Tips { length: 58.35, overlap: 10.5 }),
        grip: Some(Grip { force: 16.0, height: 23.9 }), on_labware: &[("opentrons_flex_96_tiprack_adapter", 121.0)],
        parts: &[grid(12, 8, [14.38, 74.38, 1.5], SBS, 97.5, 200.0, round(5.59), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_flex_96_tiprack_50ul", display_name: "Opentrons Flex 96 Tip Rack 50 µL", brand: "Opentrons",
        size: [127.75, 85.75, 99.0], tips: Some(Tips { length: 57.9, overlap: 10.5 }),
        grip: Some(Grip { force: 16.0, height: 23.9 }), on_labware: &[("opentrons_flex_96_tiprack_adapter", 121.0)],
        parts: &[grid(12, 8, [14.38, 74.38, 1.5], SBS, 97.5, 50.0, round(5.58), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "opentrons_flex_96_tiprack_adapter", display_name: "Opentrons Flex 96 Tip Rack Adapter", brand: "Opentrons",
        size: [156.5, 93.0, 132.0], quirks: &["tiprackAdapterFor96Channel"], corner: [-14.25, -3.5, 0.0], is_adapter: true,
        parts: &[], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_universal_flat_adapter", display_name: "Opentrons Universal Flat Heater-Shaker Adapter", brand: "Opentrons",
        size: [111.0, 75.0, 12.0], corner: [8.5, 5.5, 0.0], is_adapter: true,
        parts: &[], ..ADAPTER
    },
    Standard {
        load_name: "opentrons_universal_flat_adapter_corning_384_wellplate_112ul_flat", display_name: "Opentrons Universal Flat Heater-Shaker Adapter with Corning 384 Well Plate 112 µl Flat", brand: "Opentrons",
        size: [127.76, 85.47, 17.9], format: "384Standard", quirks: &["gripperIncompatible"],
        parts: &[grid(24, 16, [12.12, 76.48, 6.37], [4.5, 4.5], 11.43, 112.0, oblong(3.63, 3.63), Bottom::Flat)], ..ADAPTER
    },
    Standard {
        load_name: "thermoscientificnunc_96_wellplate_1300ul", display_name: "Thermo Scientific Nunc 96 Well Plate 1300 µL", brand: "Thermo Scientific",
        size: [127.76, 85.47, 31.6], magnet: Magnet::At(5.5),
        parts: &[grid(12, 8, [14.4, 74.27, 2.5], SBS, 29.1, 1300.0, round(8.4), Bottom::U)], ..PLATE
    },
    Standard {
        load_name: "thermoscientificnunc_96_wellplate_2000ul", display_name: "Thermo Scientific Nunc 96 Well Plate 2000 µL", brand: "Thermo Scientific",
        size: [127.8, 85.5, 43.6], magnet: Magnet::At(6.0),
        parts: &[grid(12, 8, [14.3, 74.2, 2.1], SBS, 41.5, 2000.0, round(8.5), Bottom::U)], ..PLATE
    },
    Standard {
        load_name: "tipone_96_tiprack_200ul", display_name: "TipOne 96 Tip Rack 200 µL", brand: "TipOne",
        size: [127.76, 85.48, 63.9], tips: Some(Tips { length: 50.93, overlap: 6.1 }),
        parts: &[grid(12, 8, [13.69, 72.25, 53.36], SBS, 10.54, 200.0, round(6.4), Bottom::Unsaid)], ..TIPS
    },
    Standard {
        load_name: "usascientific_12_reservoir_22ml", display_name: "USA Scientific 12 Well Reservoir 22 mL", brand: "USA Scientific",
        size: [127.76, 85.8, 44.45],
        parts: &[grid(12, 1, [13.94, 42.9, 2.29], [9.09, 9.09], 42.16, 22000.0, oblong(8.33, 71.88), Bottom::V)], ..RESERVOIR
    },
    Standard {
        load_name: "usascientific_96_wellplate_2.4ml_deep", display_name: "USA Scientific 96 Deep Well Plate 2.4 mL", brand: "USA Scientific",
        size: [127.8, 85.5, 44.1], units: "mL", magnet: Magnet::At(14.94),
        parts: &[grid(12, 8, [14.4, 74.2, 2.8], SBS, 41.3, 2400.0, oblong(8.2, 8.2), Bottom::U)], ..PLATE
    },
];
