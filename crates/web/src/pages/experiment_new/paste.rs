//! Wells pasted from a spreadsheet: one a line, with or without a heading.

use domain::{DyeName, Recipe, Volume};

/// Characters shown of what wasn't understood, and columns named at once.
const SHOWN: usize = 30;
const MOST_NAMED: usize = 5;

/// The recipes of a pasted sheet, or the first thing that is wrong with it and where. Nothing is passed over: a column
/// that isn't understood would be a colour that nobody asked for.
pub fn parse(text: &str, dyes: &[DyeName]) -> Result<Vec<Recipe>, String> {
    let separator = separator(text);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut lines = lines.map(|(index, line)| (index + 1, cells(line, separator))).peekable();
    let heading = lines.next_if(|(_, cells)| is_heading(cells)).map(|(_, cells)| cells);
    let lines: Vec<_> = lines.collect();
    let columns = match heading {
        Some(heading) => columns(&heading, &lines, dyes)?,
        None => dyes.iter().cloned().map(Some).collect(),
    };
    let wells: Vec<_> =
        lines.iter().map(|(number, cells)| recipe(*number, cells, &columns)).collect::<Result<_, _>>()?;
    if wells.is_empty() { Err("There are no wells in it: paste one line a well.".to_owned()) } else { Ok(wells) }
}

/// One for the whole sheet. With tabs or semicolons a comma is a decimal point, as much of the world writes it.
fn separator(text: &str) -> char {
    ['\t', ';'].into_iter().find(|separator| text.contains(*separator)).unwrap_or(',')
}

fn cells(line: &str, separator: char) -> Vec<String> {
    line.split(separator).map(|cell| cell.trim().trim_matches('"').trim().to_owned()).collect()
}

fn number(cell: &str) -> Option<f64> {
    cell.replace(',', ".").parse().ok()
}

/// A line with words and without a number.
fn is_heading(cells: &[String]) -> bool {
    cells.iter().any(|cell| !cell.is_empty()) && cells.iter().all(|cell| number(cell).is_none())
}

type Line = (usize, Vec<String>);

/// The dye of each column; nothing for one that is empty from top to bottom.
fn columns(heading: &[String], lines: &[Line], dyes: &[DyeName]) -> Result<Vec<Option<DyeName>>, String> {
    let named: Vec<_> = heading.iter().map(|cell| dye(cell, dyes)).collect();
    let has_values =
        |column: usize| lines.iter().any(|(_, cells)| cells.get(column).is_some_and(|cell| !cell.is_empty()));
    let strange: Vec<_> = heading
        .iter()
        .enumerate()
        .filter(|(column, _)| named[*column].is_none() && has_values(*column))
        .map(|(column, cell)| if cell.is_empty() { format!("column {}", column + 1) } else { shown(cell) })
        .take(MOST_NAMED)
        .collect();
    if !strange.is_empty() {
        return Err(not_dyes(&strange, heading, dyes));
    }
    if let Some(twice) = dyes.iter().find(|dye| named.iter().flatten().filter(|name| name == dye).count() > 1) {
        return Err(format!("“{twice}” is the name of two columns. Put its amounts into one."));
    }
    Ok(named)
}

fn not_dyes(strange: &[String], heading: &[String], dyes: &[DyeName]) -> String {
    let is_place = |cell: &String| ["well", "position", "place"].contains(&first_word(cell).as_str());
    let known = dyes.iter().map(DyeName::as_str).collect::<Vec<_>>().join(", ");
    let are = if strange.len() == 1 { "is no dye" } else { "are no dyes" };
    let order = if heading.iter().any(is_place) {
        " Wells are filled in the order of the lines; a place can’t be chosen."
    } else {
        ""
    };
    format!(
        "{} {are} here: this lab has {known}.{order} Rename or take away what isn’t meant, and paste again.",
        strange.join(", ")
    )
}

fn shown(cell: &str) -> String {
    format!("“{}”", cell.chars().take(SHOWN).collect::<String>())
}

/// Of `Blue (µL)`: `blue`.
fn first_word(cell: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '(' | '[' | '_' | '/');
    cell.to_lowercase().split(is_end).next().unwrap_or_default().to_owned()
}

fn dye(cell: &str, dyes: &[DyeName]) -> Option<DyeName> {
    let word = first_word(cell);
    dyes.iter().find(|dye| dye.as_str() == word || dye.as_str().eq_ignore_ascii_case(cell)).cloned()
}

fn recipe(line_number: usize, cells: &[String], columns: &[Option<DyeName>]) -> Result<Recipe, String> {
    let filled = cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
    if filled > columns.len() {
        return Err(format!("Line {line_number} has {filled} columns, and there are {} to fill.", columns.len()));
    }
    let mut amounts = Vec::new();
    for (cell, dye) in cells.iter().zip(columns) {
        let (Some(dye), false) = (dye, cell.is_empty()) else { continue };
        let number = number(cell).ok_or_else(|| format!("Line {line_number}: {} is no number.", shown(cell)))?;
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

    fn refusal(text: &str) -> String {
        parse(text, &dyes()).expect_err(text)
    }

    #[test]
    fn a_heading_says_which_column_is_what() {
        let wells = parse("Blue (µL),RED,notes\n40,60,\n", &dyes()).expect("wells");
        assert_eq!(wells[0].amount(&"blue".parse().expect("dye")).ul(), 40.0);
        assert_eq!(wells[0].total().ul(), 100.0);
        assert_eq!(totals("red;yellow;blue\n20,5;30;40"), [90.5]);
        assert!(refusal("red_ul\n20,5").contains("has 2 columns, and there are 1 to fill"));
    }

    #[test]
    fn a_column_that_isnt_understood_is_refused_by_its_name() {
        let green = refusal("red,green\n20,30");
        assert!(green.contains("“green” is no dye here: this lab has red, yellow, blue"), "{green}");
        let german = refusal("Red;Gelb;Blau\n20,5;30;40");
        assert!(german.contains("“Gelb”, “Blau” are no dyes"), "{german}");
        let placed = refusal("well,red\nA1,20");
        assert!(placed.contains("“well”") && placed.contains("in the order of the lines"), "{placed}");
        assert!(refusal("red,red\n20,30").contains("two columns"));
        assert!(refusal("a,b,c\n1,2,3").contains("“a”, “b”, “c” are no dyes"));
        assert!(refusal("red,\n20,30").contains("column 2 is no dye"));
        assert!(refusal("red;yellow\n20,30,40").contains("“20,30,40” is no number"));
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
