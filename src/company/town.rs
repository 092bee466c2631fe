//! Where people live and work: city, state, country and street of one address fit together.

/// A town, and a street in it. Every text is ready to stand between JSON quotes.
#[derive(Clone, Copy)]
pub(super) struct Town {
    pub city: &'static str,
    pub state: &'static str,
    pub country: &'static str,
    pub street: &'static str,
}

const fn town(
    city: &'static str,
    state: &'static str,
    country: &'static str,
    street: &'static str,
) -> Town {
    Town {
        city,
        state,
        country,
        street,
    }
}

pub(super) const TOWNS: &[Town] = &[
    town("Berlin", "Berlin", "DE", "Straße des 17. Juni 135"),
    town("Berlin", "Berlin", "DE", "Oranienstr. 25"),
    town("Köln", "NRW", "DE", "Hauptstr. 9\\n50667 Köln"),
    town(
        "Hamburg",
        "Hamburg",
        "DE",
        "Große Elbstraße 45 \\\"Hinterhaus\\\"",
    ),
    town("Malmö", "Skåne", "SE", "Västergatan 4"),
    town("Kraków", "Małopolska", "PL", "ul. Świętokrzyska 12/4"),
    town("London", "England", "GB", "221B Baker Street"),
    town("Cork", "Munster", "IE", "5 O'Connell St."),
    town("São Paulo", "SP", "BR", "Rua das Flores 7"),
    town("東京", "東京都", "JP", "千代田区丸の内1-1"),
    town("Αθήνα", "Αττική", "GR", "Ερμού 12"),
    town("Lagos", "Lagos", "NG", "12 Broad St"),
    town("Reykjavík", "Höfuðborgarsvæðið", "IS", "Laugavegur 22"),
    town("Austin", "TX", "US", "1 Infinite Loop"),
];
