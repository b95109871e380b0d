//! Wells pasted from a spreadsheet: one a line, with or without a heading.

use domain::{DyeName, Recipe, Volume};

/// The recipes of a pasted sheet, or the first thing that is wrong with it and where.
pub fn parse(text: &str, dyes: &[DyeName]) -> Result<Vec<Recipe>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
    let heading = lines.peek().and_then(|(_, line)| heading(line, dyes));
    let columns = match heading {
        Some(columns) => {
            lines.next();
            columns
        }
        None => dyes.iter().cloned().map(Some).collect(),
    };
    let wells: Vec<_> = lines.map(|(index, line)| recipe(index + 1, line, &columns)).collect::<Result<_, _>>()?;
    if wells.is_empty() { Err("There are no wells in it: paste one line a well.".to_owned()) } else { Ok(wells) }
}

fn cells(line: &str) -> Vec<String> {
    let separator = ['\t', ';'].into_iter().find(|separator| line.contains(*separator)).unwrap_or(',');
    // With another separator a comma is a decimal point, as much of the world writes it.
    let point = |cell: &str| if separator == ',' { cell.to_owned() } else { cell.replace(',', ".") };
    line.split(separator).map(|cell| point(cell.trim().trim_matches('"'))).collect()
}

/// The dye of each column, if the line names any; other columns are passed over.
fn heading(line: &str, dyes: &[DyeName]) -> Option<Vec<Option<DyeName>>> {
    let cells = cells(line);
    if cells.iter().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok()) {
        return None;
    }
    let dye = |cell: &String| {
        let first = cell.to_lowercase();
        let first = first.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
        dyes.iter().find(|dye| dye.as_str() == first).cloned()
    };
    let columns: Vec<_> = cells.iter().map(dye).collect();
    columns.iter().any(Option::is_some).then_some(columns)
}

fn recipe(line_number: usize, line: &str, columns: &[Option<DyeName>]) -> Result<Recipe, String> {
    let mut amounts = Vec::new();
    let cells = cells(line);
    if cells.len() > columns.len() {
        return Err(format!(
            "Line {line_number} has {} columns, and there are {} to fill.",
            cells.len(),
            columns.len()
        ));
    }
    for (cell, dye) in cells.iter().zip(columns) {
        let (Some(dye), false) = (dye, cell.is_empty()) else { continue };
        let number: f64 = cell.parse().map_err(|_| {
            format!("Line {line_number}: “{}” is no number.", cell.chars().take(20).collect::<String>())
        })?;
        let volume = Volume::from_ul(number).map_err(|error| format!("Line {line_number}: {error}."))?;
        amounts.push((dye.clone(), volume));
    }
    Ok(Recipe::new(amounts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dyes() -> Vec<DyeName> {
        ["red", "yellow", "blue"].map(|name| name.parse().expect("dye")).to_vec()
    }

    fn totals(text: &str) -> Vec<f64> {
        parse(text, &dyes()).expect("wells").iter().map(|recipe| recipe.total().ul()).collect()
    }

    #[test]
    fn sheets_from_anywhere_are_understood() {
        assert_eq!(totals("60\t30\t60\n20\t0\t20\n"), [150.0, 40.0]);
        assert_eq!(totals("60,30,60.5\r\n\r\n20,,20"), [150.5, 40.0]);
        assert_eq!(totals("60;30;60,5"), [150.5]);
    }

    #[test]
    fn a_heading_says_which_column_is_what() {
        let wells = parse("Sample,Blue (µL),red\n1,40,60\n", &dyes()).expect("wells");
        assert_eq!(wells[0].amount(&"blue".parse().expect("dye")).ul(), 40.0);
        assert_eq!(wells[0].total().ul(), 100.0);
    }

    #[test]
    fn the_first_thing_wrong_is_named_with_its_line() {
        for (text, said) in
            [("60,30,60\n60,x,1", "Line 2"), ("1,2,3,4", "Line 1"), ("60,-1,0", "Line 1"), ("\n", "no wells")]
        {
            let error = parse(text, &dyes()).expect_err(text);
            assert!(error.contains(said), "{error}");
        }
    }
}
