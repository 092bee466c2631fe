INSTALL delta; LOAD delta;
CREATE VIEW employees AS
  FROM delta_scan('{lake}/hris_employees/current');
CREATE VIEW jobs AS
  FROM delta_scan('{lake}/ats_jobs/current');
CREATE VIEW applications AS
  FROM delta_scan('{lake}/ats_applications/current');
CREATE VIEW offers AS
  FROM delta_scan('{lake}/ats_offers/current');

-- headcount by city
SELECT coalesce(work_location.address.city, 'unknown') AS city,
       count(*) AS people
FROM employees WHERE employment_status IN ('ACTIVE', 'LEAVE')
GROUP BY ALL ORDER BY people DESC LIMIT 5;

-- headcount by department
SELECT "group".name AS department, count(*) AS people
FROM (SELECT unnest(groups) AS "group" FROM employees
      WHERE employment_status IN ('ACTIVE', 'LEAVE'))
WHERE "group".type = 'DEPARTMENT'
GROUP BY ALL ORDER BY people DESC LIMIT 5;

-- who left in the last 30 days
SELECT termination_date, display_full_name AS person, job_title
FROM employees WHERE termination_date BETWEEN today() - 30 AND today()
ORDER BY termination_date DESC, id LIMIT 5;

-- open jobs, and for how many days they have been open
SELECT department, count(*) AS open_jobs,
       median(date_diff('day', opened_at, now())) AS days_open
FROM jobs WHERE status = 'OPEN'
GROUP BY ALL ORDER BY open_jobs DESC LIMIT 5;

-- time to hire: days from the application to the offer that was accepted
SELECT coalesce(applications.job.name, 'unknown') AS job, count(*) AS hires,
       median(date_diff('day', applications.remote_created_at,
                        offers.remote_created_at)) AS days
FROM applications JOIN offers
  ON offers.application_id = applications.id
 AND offers.integration_key = applications.integration_key
WHERE outcome = 'HIRED' AND offers.status = 'ACCEPTED'
GROUP BY ALL ORDER BY hires DESC LIMIT 5;
