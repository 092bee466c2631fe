//! Names and texts of the made-up companies. Every text is escaped for JSON.

/// A list of texts.
pub(super) type Words = &'static [&'static str];

/// First names, each with its form in an e-mail address.
pub(super) const FIRST_NAMES: &[(&str, &str)] = &[
    ("Zoë", "zoe"),
    ("Søren", "soren"),
    ("Ngozi", "ngozi"),
    ("Ana", "ana"),
    ("Jürgen", "juergen"),
    ("Łukasz", "lukasz"),
    ("美咲", "misaki"),
    ("Владимир", "vladimir"),
    ("فاطمة", "fatima"),
    ("Nguyễn", "nguyen"),
    ("Chloé", "chloe"),
    ("Seán", "sean"),
    ("İpek", "ipek"),
    ("Ελένη", "eleni"),
    ("दीपा", "deepa"),
    ("María José", "maria.jose"),
    ("Grace", "grace"),
    ("Ada", "ada"),
    ("Linus", "linus"),
    ("Maja", "maja"),
    ("Emil", "emil"),
    ("Amara", "amara"),
    ("Noah", "noah"),
    ("Olivia", "olivia"),
    ("민준", "minjun"),
    ("Tomáš", "tomas"),
    ("Björk", "bjork"),
    ("Kwame", "kwame"),
    ("Priya", "priya"),
    ("Mateo", "mateo"),
    ("Ingrid", "ingrid"),
    ("Yusuf", "yusuf"),
];

/// Last names, each with its form in an e-mail address.
pub(super) const LAST_NAMES: &[(&str, &str)] = &[
    ("O'Brien-Łukasiewicz", "obrien"),
    ("Ångström", "angstrom"),
    ("Adébáyò", "adebayo"),
    ("Lima", "lima"),
    ("Groß", "gross"),
    ("Müller", "mueller"),
    ("佐藤", "sato"),
    ("Иванова", "ivanova"),
    ("الزهراء", "alzahra"),
    ("Trần", "tran"),
    ("D'Angelo", "dangelo"),
    ("Ó Súilleabháin", "osullivan"),
    ("Yılmaz", "yilmaz"),
    ("Παπαδοπούλου", "papadopoulou"),
    ("शर्मा", "sharma"),
    ("García Márquez", "garcia.marquez"),
    ("Hopper", "hopper"),
    ("Lovelace", "lovelace"),
    ("van der Berg", "vanderberg"),
    ("Novák", "novak"),
    ("Hansen", "hansen"),
    ("Okafor", "okafor"),
    ("Schmidt", "schmidt"),
    ("김", "kim"),
    ("Rossi", "rossi"),
    ("Þórsdóttir", "thorsdottir"),
    ("Mensah", "mensah"),
    ("Patel", "patel"),
    ("Fernández", "fernandez"),
    ("Lindqvist", "lindqvist"),
    ("Öztürk", "oeztuerk"),
    ("Smith", "smith"),
    ("Weiß", "weiss"),
];

pub(super) const COUNTRIES: Words = &[
    "DE", "SE", "PL", "NG", "BR", "JP", "IE", "GR", "IN", "US", "GB", "IS",
];
pub(super) const CURRENCIES: Words = &[
    "EUR", "EUR", "EUR", "EUR", "EUR", "GBP", "USD", "SEK", "PLN",
];

pub(super) const FLOORS: Words = &["2nd floor", "c/o Schmidt", "3. OG", "Building B", "Apt. 4"];
pub(super) const TIME_ZONES: Words = &[
    "+00:00", "+01:00", "+01:00", "+02:00", "+09:00", "-03:00", "-05:00",
];
pub(super) const JOBS: Words = &[
    "Principal Engineer",
    "Lagerist – Minijob",
    "Senior Rust Engineer (m/w/d)",
    "Pflegefachkraft",
    "Head of People & Culture",
    "Développeuse C++",
    "Работник склада",
    "データエンジニア",
    "Account Executive, EMEA",
    "UX/UI Designer",
    "Working Student \\\"Data\\\"",
];
pub(super) const COMPANIES: Words = &[
    "Beispiel & Söhne GmbH",
    "Acme, Inc.",
    "Müsterbank AG",
    "株式会社サンプル",
    "Contoso \\\"EU\\\" Ltd.",
    "ООО Ромашка",
];
pub(super) const SOURCES: Words = &[
    "Employee Referral",
    "LinkedIn",
    "Careers page",
    "Jobbörse",
    "Agentur für Arbeit",
    "求人サイト",
];
pub(super) const FILES: Words = &[
    "CV.pdf",
    "Lebenslauf (final) v2.docx",
    "cover letter.pdf",
    "履歴書.pdf",
    "portfolio 🎨.zip",
];
pub(super) const BUCKETS: Words = &["kombo-attachments-eu", "kombo-attachments-us"];
pub(super) const MIME_TYPES: Words = &["application/pdf", "image/png", "text/plain"];
pub(super) const KEYS: Words = &[
    "favouriteColor",
    "kids",
    "cost_center",
    "band",
    "rank",
    "t-shirt size",
    "Größe",
    "meta.source",
];
pub(super) const GROUPS: Words = &[
    "Plattform & Daten",
    "Ingestion",
    "People",
    "Finance / Controlling",
    "Außendienst",
    "営業部",
    "Legal",
    "R&D",
    "Support (24/7)",
];
pub(super) const STAGES: Words = &[
    "New",
    "Phone screen",
    "面接",
    "Kennenlernen ☕",
    "Case study",
    "Offer",
    "References 🎉",
    "Talent pool",
    "On hold",
];
pub(super) const TAGS: Words = &[
    "top-candidate",
    "remote",
    "rück-ruf",
    "🔥",
    "relocation ok",
    "ex-colleague",
    "visa",
    "DSGVO",
];
pub(super) const REASONS: Words = &[
    "Gehaltsvorstellung zu hoch",
    "Not enough experience",
    "Withdrew",
    "Position filled",
    "No show",
    "Другая причина",
];
pub(super) const ROLES: Words = &[
    "Hiring manager",
    "Recruiter",
    "Site admin",
    "Interviewer",
    "Coördinator",
];
pub(super) const ABSENCES: Words = &[
    "Urlaub",
    "Sick leave",
    "Parental leave",
    "Sonderurlaub",
    "有給休暇",
    "Unpaid",
];
pub(super) const LOCATIONS: Words = &[
    "Headquarters",
    "Office",
    "Büro",
    "Remote",
    "Warehouse 7",
    "工場",
];
pub(super) const DOCUMENTS: Words = &[
    "Contracts",
    "Zeugnisse",
    "Payslips",
    "Certificates",
    "Übrige",
];
pub(super) const LOCATION_TYPES: Words = &["OFFICE", "OFFICE", "WAREHOUSE", "REMOTE"];
pub(super) const CYCLES: Words = &[
    "Half-year review",
    "Annual review",
    "Jahresgespräch",
    "360° review",
];
pub(super) const EXPERIENCE: Words = &["Entry level", "Mid level", "Senior", "Lead"];
pub(super) const APPROVALS: Words = &["APPROVED", "APPROVED", "APPROVED", "PENDING", "REJECTED"];
pub(super) const LEVELS: Words = &["Beginner", "Intermediate", "Advanced", "Expert"];
pub(super) const NOTES: Words = &[
    "Phone call",
    "References",
    "Salary expectation",
    "Rückruf am Montag",
    "面接メモ",
];
pub(super) const NETWORKS: Words = &["LINKEDIN", "XING", "GITHUB"];
pub(super) const FIELD_LABELS: Words = &[
    "Favourite colour",
    "Kids",
    "Cost centre",
    "Band",
    "T-shirt size",
    "Größe",
];
pub(super) const CONTRACTS: Words = &["Vollzeit", "Minijob", "Permanent", "Werkstudent"];
pub(super) const SKILLS: Words = &[
    "Rust",
    "SQL",
    "Brandschutz",
    "First aid",
    "Gabelstapler",
    "日本語",
    "Negotiation",
    "C++ / CUDA",
];
pub(super) const COURSES: Words = &[
    "Brandschutz 101 🔥",
    "Data protection",
    "Onboarding",
    "Führung für Neue",
    "安全教育",
    "Excel – advanced",
];
pub(super) const PAY_ITEMS: Words = &[
    "Grundgehalt",
    "Bonus",
    "Überstunden",
    "Company car",
    "Night shift",
];
pub(super) const QUESTIONS: Words = &[
    "Link to portfolio",
    "Willing to relocate?",
    "Years of Rust",
    "Earliest start",
    "Work permit?",
    "Warum wir?",
    "Matrix",
];
pub(super) const INTERVIEWS: Words = &[
    "Kennenlernen ☕",
    "Technical interview",
    "Team fit",
    "Final round",
    "一次面接",
];
pub(super) const PACKAGES: Words = &[
    "Coding challenge",
    "Behavioural profile",
    "Video interview",
    "Background check",
];
pub(super) const KINDS: Words = &["WORK", "PRIVATE", "HOME"];
pub(super) const PLAIN: Words = &[
    "alpha",
    "WORK",
    "Ja",
    "senior",
    "blå",
    "PRIVATE",
    "not \\\"final\\\"",
    "B3",
    "N/A",
    "tab\\there",
];
pub(super) const SENTENCES: Words = &[
    "Sehr gut vorbereitet, ruft am Montag zurück. ",
    "Prefers e-mail; \\\"no calls before 10\\\". ",
    "面接は来週です。 ",
    "Erfahrung mit Tokio & Arrow.\\n",
    "Moved here from São Paulo last year 🌍. ",
    "See C:\\\\temp\\\\notes for details. ",
];
pub(super) const HTML: Words = &[
    "<p>Build <b>data</b> pipelines &amp; more.</p>\\n",
    "<ul><li>Tokio</li><li>Arrow</li></ul>",
    "<p>Wir suchen dich! 🚀</p>",
    "<p class=\\\"intro\\\">30 Tage Urlaub, Größe egal.</p>\\n",
    "<p>お待ちしております。</p>",
    "<a href=\\\"https://example.com/?a=1&amp;b=2\\\">mehr</a>",
];

/// Returns the names for the records of a model or for the parts of a record.
pub(super) fn named(scope: &str) -> Words {
    match scope {
        "ats/jobs"
        | "ats/job-postings"
        | "ats/candidates"
        | "hris/staffing-entities"
        | "assessment/orders#job" => JOBS,
        _ if scope.ends_with("#email_addresses") || scope.ends_with("#phone_numbers") => KINDS,
        "ats/application-stages" => STAGES,
        "ats/tags" => TAGS,
        "ats/rejection-reasons" => REASONS,
        "ats/roles" => ROLES,
        "ats/interviews" => INTERVIEWS,
        "ats/notes" => NOTES,
        _ if scope.ends_with("#social_media") => NETWORKS,
        _ if scope.ends_with("#integration_fields") => FIELD_LABELS,
        _ if scope.ends_with("#employment_types") => CONTRACTS,
        "ats/screening-questions" | "ats/scorecards#responses" => QUESTIONS,
        "hris/groups" => GROUPS,
        "hris/locations" => LOCATIONS,
        "hris/legal-entities" | "lms/course-providers" => COMPANIES,
        "hris/absence-types" => ABSENCES,
        "hris/employee-document-categories" => DOCUMENTS,
        "hris/performance-review-cycles" => CYCLES,
        "hris/skills" | "lms/skills" => SKILLS,
        "hris/payslip-line-items" => PAY_ITEMS,
        "lms/course-revisions" => COURSES,
        "assessment/packages" => PACKAGES,
        _ => PLAIN,
    }
}

/// Returns values of connected tools that Kombo passes through in a field that is an open enum.
pub(super) fn foreign(name: &str) -> Words {
    match name {
        "employment_type" => &["Werkvertrag", "Minijob"],
        "gender" => &["prefer to self-describe"],
        "marital_status" => &["PACS", "verpartnert"],
        "ethnicity" => &["その他"],
        "remote_work_status" => &["2 days a week"],
        _ => &[],
    }
}
